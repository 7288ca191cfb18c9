"""ops/bench append: what an append costs beside a bare insert, a copy, and an event store from PyPI.

usage: append.py CLUSTER_DIRECTORY full|short
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
import uuid
from typing import Callable

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from database import Cluster
from mix import PRINCIPAL, SHARES, START_MS, Workspace, workspaces
from wire import Call, Connection

CONTENDERS = ("insert", "copy", "append", "projected", "eventsourcing")
TITLES = {
    "insert": "bare INSERT … SELECT unnest",
    "copy": "bare COPY",
    "append": "ledger.append, no projections",
    "projected": "ledger.append, projections moved",
    "eventsourcing": "PyPI eventsourcing 9.5.6",
}
# Events of a round for each contender, by events a call; at least two calls for each connection.
ROUND_EVENTS = {"full": {1: 400, 10: 3000, 100: 8000, 1000: 16000}, "short": {1: 100, 100: 1600, 1000: 4000}}
ROUNDS = {"full": 5, "short": 3}
CONNECTIONS = {"full": (1, 2, 8), "short": (1, 2)}
GOALS = {("append", 1000): 0.9, ("projected", 1000): 0.6}
# What lies in every table before the first figure, in each workspace.
BEFORE_EVENTS = {"full": 1000, "short": 500}


class Contender:
    """One way to append, with a connection for each lane. All have the same events in the same calls."""

    def __init__(self, name: str, cluster: Cluster, lanes: int):
        self.name = name
        self.connections: list[Connection] = []
        self.store: PostgresDatastore | None = None
        if name == "eventsourcing":
            self.store = PostgresDatastore("other", cluster.directory, 5432, "postgres", "", pool_size=lanes, max_overflow=0)
            self.recorder = PostgresApplicationRecorder(self.store)
            self.recorder.create_table()
        else:
            database, user = {"append": ("plain", PRINCIPAL), "projected": ("projected", PRINCIPAL)}.get(name, ("bare", "postgres"))
            self.connections = [Connection(cluster.conninfo(database, user)) for _ in range(lanes)]

    def prepare(self, call: Call) -> object:
        if self.store is None:
            return call
        return [StoredEvent(uuid.uuid5(uuid.NAMESPACE_OID, f"{e.workspace}/{e.stream}"), e.version, e.type, e.data)
                for e in call.events]

    def work(self, lane: int) -> Callable[[object], None]:
        if self.store is not None:
            return self.recorder.insert_events
        connection = self.connections[lane]
        return {"insert": connection.insert, "copy": connection.copy}.get(self.name, connection.append)

    def seconds(self, lanes: list[list[Call]]) -> float:
        """How long all lanes took together, side by side."""
        prepared = [[self.prepare(call) for call in calls] for calls in lanes]
        together = threading.Barrier(len(lanes) + 1)
        failures: list[BaseException] = []

        def run(lane: int) -> None:
            work = self.work(lane)
            together.wait()
            try:
                for call in prepared[lane]:
                    work(call)
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(len(lanes))]
        for thread in threads:
            thread.start()
        together.wait()
        start = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - start
        if failures:
            raise failures[0]
        return seconds

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        if self.store is not None:
            self.store.close()


def lanes_of(spread: list[Workspace], turn: list[int], connections: int, a_call: int, calls: int) -> list[list[Call]]:
    """The calls of each connection. In many workspaces each connection has its own, in one each has models of its own,
    so that the order within a model is kept however the connections overtake each other."""
    now = START_MS + 10**10
    lanes = []
    for lane in range(connections):
        own = []
        for _ in range(calls):
            if len(spread) == 1:
                events = spread[0].events(a_call, lane, connections)
            else:
                mine = spread[lane::connections]
                turn[lane] += 1
                events = mine[turn[lane] % len(mine)].events(a_call)
            own.append(Call(events, now))
        lanes.append(own)
    return lanes


def before(contenders: list[Contender], everywhere: list[Workspace], events: int) -> None:
    for contender in contenders:
        if contender.name in ("append", "projected"):
            for workspace in everywhere:
                contender.connections[0].run(f"select ledger.open_workspace('{workspace.name}')")
    for workspace in everywhere:
        calls = [Call([workspace.connect()], START_MS)]
        calls += [Call(workspace.events(500), START_MS) for _ in range(events // 500)]
        for contender in contenders:
            contender.seconds([calls])


def measure(contenders: list[Contender], everywhere: list[Workspace], size: str) -> dict[tuple, list[float]]:
    """Seconds of each round, by contender, events a call, connections and spread. Contenders take turns within a round."""
    seconds: dict[tuple, list[float]] = {}
    for connections in CONNECTIONS[size]:
        for spread, name in ((everywhere, "many"), (everywhere[:1], "one")):
            for a_call, events in ROUND_EVENTS[size].items():
                calls = max(2, events // a_call // connections)
                turn = [0] * connections
                for round_number in range(ROUNDS[size]):
                    lanes = lanes_of(spread, turn, connections, a_call, calls)
                    shift = round_number % len(contenders)
                    for contender in contenders[shift:] + contenders[:shift]:
                        rate = calls * connections * a_call / contender.seconds(lanes)
                        seconds.setdefault((contender.name, a_call, connections, name), []).append(rate)
                show(seconds, a_call, connections, name)
    return seconds


def ratio(rates: dict[tuple, list[float]], ours: str, baseline: str, cell: tuple) -> float:
    """The median over the rounds: a round that another program disturbed does not count."""
    return statistics.median(a / b for a, b in zip(rates[ours, *cell], rates[baseline, *cell]))


def show(rates: dict[tuple, list[float]], *cell: object) -> None:
    a_call, connections, spread = cell
    shown = "  ".join(f"{statistics.median(rates[name, *cell]):>8,.0f}" for name in CONTENDERS)
    ratios = "  ".join(f"{ratio(rates, name, 'insert', cell):>5.2f}" for name in CONTENDERS[1:])
    print(f"{a_call:>6,}  {connections:>5}  {spread:>10}  {shown}   {ratios}", flush=True)


def figures(rates: dict[tuple, list[float]], size: str) -> list[dict]:
    found = []
    cells = sorted({key[1:] for key in rates}, key=str)
    pairs = [(ours, baseline) for ours in ("append", "projected") for baseline in ("insert", "copy", "eventsourcing")]
    for cell in cells:
        a_call, connections, spread = cell
        for ours, baseline in pairs:
            value = ratio(rates, ours, baseline, cell)
            goal = GOALS.get((ours, a_call)) if baseline == "insert" else None
            found.append({
                "name": f"{ours}-{a_call}-a-call-{connections}-connections-{spread}-beside-{baseline}",
                "ours": round(statistics.median(rates[ours, *cell])), "baseline": round(statistics.median(rates[baseline, *cell])),
                "unit": "events/s", "ratio": round(value, 2), "goal": goal, "met": None if goal is None else value >= goal})
    return found


def main(directory: str, size: str) -> None:
    cluster = Cluster(directory)
    cluster.migrated("projected")
    cluster.without_projections("plain", "projected")
    cluster.bare("bare", "projected")
    cluster.database("other").close()
    everywhere = workspaces()
    lanes = max(CONNECTIONS[size])
    contenders = [Contender(name, cluster, lanes) for name in CONTENDERS]
    before(contenders, everywhere, BEFORE_EVENTS[size])
    cluster.settle("bare", "plain", "projected", "other")
    for contender in contenders:
        contender.close()
    contenders = [Contender(name, cluster, lanes) for name in CONTENDERS]
    print("Contenders: " + "; ".join(f"{name} = {title}" for name, title in TITLES.items()))
    print(f"""The same {len(everywhere)} workspaces of 30 models, the same events in the same calls, in turn; median of {ROUNDS[size]} rounds.
Mix: {", ".join(f"{share:.0%} {kind}" for kind, share in SHARES.items())}.
The bare tables have the columns, 16 partitions and indexes of ledger.event, no checks and no triggers; sequences, versions,
salts and hashes are handed to them ready. Calls are encoded before the clock runs, binary and prepared; only eventsourcing
encodes its own while it runs, and one process shares its interpreter. Events per second, then ratios to the bare insert:
""")
    head = "  ".join(f"{name[:8]:>8}" for name in CONTENDERS)
    ratios = "  ".join(f"{name[:5]:>5}" for name in CONTENDERS[1:])
    print(f"a call  conns  workspaces  {head}   {ratios}")
    rates = measure(contenders, everywhere, size)
    for contender in contenders:
        contender.close()
    found = figures(rates, size)
    goals = [f for f in found if f["goal"] is not None]
    print(f"\n{sum(f['met'] for f in goals)} of {len(goals)} goals met; the ratio of each is to the bare insert:")
    for f in goals:
        print(f"  {f['ratio']:.2f} of {f['goal']:.1f}  {'met' if f['met'] else 'not met'}  {f['name']}")
    sys.stdout.flush()
    print(json.dumps({"bench": "append", "figures": found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
