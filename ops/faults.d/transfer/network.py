"""ops/faults network: wires that are cut, dark, slow or lie, and servers that die and come back, under a running sync.

usage: network.py PROGRAM DIRECTORY CLUSTER SOURCE_URL MARKETPLACE_URL SOURCE_GROUP MARKETPLACE_GROUP POSTGRES_BIN
                  [--short] [--seed N] [--only NAME]

Under each fault a sync may succeed, or fail in part (3) or as a whole (5) with a reason; what follows must be as if
nothing had been. A fault that does not happen is tried again, with smaller numbers each time; one that never happens has
not been survived.

PostgreSQL is killed, with all its processes, under two syncs and a loop that appends events: each event that was
acknowledged must be in the ledger once.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from servers import MLflowServer, PostgresServer
from sweep import Tally, Worlds, aftermath, said
from wires import Calm, Cut, Step
from world import WORKSPACE, Place, Run, World, wait_until

SHORT_SECONDS = 120
ACCEPTABLE = (0, 3, 5)
BUSY_STATUS = 6
UNAVAILABLE = 5
ENDED_DEADLINE_S = 900
# By how much the numbers of a fault shrink with each further try.
SMALLER = 4
CRAWL_BYTES_PER_S = 60_000
CRAWL_PART_BYTES = 997
BUSY_TIMES = 2
RETRY_AFTER_S = 1
SO_ATTACH_FILTER = 26
ARRIVAL_DEADLINE_S = 60
ACKNOWLEDGED_DEADLINE_S = 60
SYNCS = 2
COUNTED = "acme.Counted"
KEPT = "PostgreSQL killed: acknowledged events that are there once"
# Requests that change something, and how many of a run are each tried late.
LATE = {
    "marketplace: POST registered-models/create": 1, "marketplace: POST experiments/create": 1,
    "marketplace: POST runs/create": 2, "marketplace: POST logged-models": 1, "marketplace: POST runs/log-batch": 1,
    "marketplace: POST model-versions/create": 2,
    "marketplace: POST model-versions/transition-stage": 2, "marketplace: POST registered-models/alias": 2,
}
# What arrives late makes something empty that nobody looks for again but the check.
MAKES_DOUBLE = {"marketplace: POST runs/create", "marketplace: POST logged-models"}


def canned(status: str, extra: str = "") -> bytes:
    body = json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "try again"})
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{extra}\r\n{body}").encode()


class ResetAfter(Calm):
    """Cuts a wire once, when so many bytes have passed over it in one direction."""

    def __init__(self, label: str, direction: str, count: int, each_time: bool = False):
        self.label, self.direction, self.count, self.each_time = label, direction, count, each_time
        self.left = count
        self.lock = threading.Lock()
        self.happened = False

    def parts(self, piece: bytes) -> Iterable[bytes]:
        cut = max(1, len(piece) // 2)
        return (piece[:cut], piece[cut:]) if len(piece) > 1 else (piece,)

    def passing(self, step: Step, direction: str, piece: bytes) -> None:
        if direction != self.direction or not step.name.startswith(self.label):
            return
        with self.lock:
            if self.happened and not self.each_time:
                return
            self.left -= len(piece)
            if self.left > 0:
                return
            self.left = self.count
            self.happened = True
        raise Cut


class DarkAfter(Calm):
    """The server has done it, and from then on no packet of that connection arrives; nor of any other if `all`."""

    def __init__(self, word: str, occurrence: int, all_of_them: bool = False):
        self.word, self.left, self.all_of_them = word, occurrence, all_of_them
        self.happened = False
        self.ended = threading.Event()
        self.lock = threading.Lock()

    def answered(self, step: Step) -> None:
        if not step.name.startswith("database") or self.word not in step.name:
            return
        with self.lock:
            self.left -= 1
            if self.left != 0:
                return
            self.happened = True
        self.swallow(step)

    def request(self, step: Step) -> None:
        if self.happened and self.all_of_them and step.name.startswith("database"):
            self.swallow(step)

    def swallow(self, step: Step) -> None:
        """The program hears nothing more. The server notices when the program has ended, not before."""
        deafen(step.client)
        self.ended.wait()
        raise Cut

    def release(self) -> None:
        self.ended.set()


def deafen(end: socket.socket) -> None:
    """From now on the kernel drops every segment that comes to this socket, and acknowledges none."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", 1, ctypes.addressof(drop)))


class Crawl(Calm):
    """Bodies trickle, a part at a time."""

    def __init__(self) -> None:
        self.happened = False

    def parts(self, piece: bytes) -> Iterable[bytes]:
        for start in range(0, len(piece), CRAWL_PART_BYTES):
            yield piece[start : start + CRAWL_PART_BYTES]

    def passing(self, step: Step, direction: str, piece: bytes) -> None:
        if not step.name.startswith("database"):
            self.happened = True
            threading.Event().wait(len(piece) / CRAWL_BYTES_PER_S)


class Busy(Calm):
    """The first few of each kind of request are refused; or answered so although the server did it."""

    def __init__(self, label: str, answer: bytes, done_all_the_same: bool = False):
        self.label, self.answer, self.done_all_the_same = label, answer, done_all_the_same
        self.refused: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def happened(self) -> bool:
        return bool(self.refused)

    def refuse(self, step: Step) -> bytes | None:
        if not step.name.startswith(self.label):
            return None
        with self.lock:
            self.refused[step.name] += 1
            return self.answer if self.refused[step.name] <= BUSY_TIMES else None

    def request(self, step: Step) -> bytes | None:
        return None if self.done_all_the_same else self.refuse(step)

    def answered(self, step: Step) -> bytes | None:
        return self.refuse(step) if self.done_all_the_same else None


class Strike(Calm):
    """Does something to a server, once, at a moment of a step."""

    def __init__(self, words: str, moment: str, occurrence: int, blow: Callable[[], None]):
        self.words, self.moment, self.left, self.blow = words, moment, occurrence, blow
        self.lock = threading.Lock()
        self.happened = False

    def at(self, step: Step, moment: str) -> None:
        if self.words not in step.name or moment != self.moment:
            return
        with self.lock:
            self.left -= 1
            if self.left != 0:
                return
            self.happened = True
            self.blow()

    def request(self, step: Step) -> None:
        self.at(step, "before")

    def passing(self, step: Step, direction: str, piece: bytes) -> None:
        self.at(step, "midway")

    def answered(self, step: Step) -> None:
        self.at(step, "after")


class Late(Calm):
    """The program is killed as it sends a request, and the request arrives when another run has long done the work."""

    def __init__(self, name: str, occurrence: int):
        self.name, self.left = name, occurrence
        self.lock = threading.Lock()
        self.happened = False
        self.run: Run | None = None
        self.has_run, self.may_arrive, self.has_arrived = threading.Event(), threading.Event(), threading.Event()
        self.step: Step | None = None

    def request(self, step: Step) -> None:
        if not step.name.endswith(self.name):
            return
        with self.lock:
            self.left -= 1
            if self.left != 0:
                return
            self.happened = True
        self.step = step
        self.has_run.wait()
        self.run.kill()
        self.may_arrive.wait()

    def answered(self, step: Step) -> None:
        if step is self.step:
            self.has_arrived.set()


class Appends:
    """`marketplace events append` in a loop, past every proxy, with a note of what it acknowledged."""

    def __init__(self, world: World):
        self.world = world
        self.stream = f"evaluation/{uuid.uuid4()}"
        world.psql(f"select ledger.register_event_type('{COUNTED}', 1::smallint, 'Counted by a fault test.')")
        # Ids and sequences of those that were acknowledged, and the ids of all.
        self.acknowledged: dict[str, int] = {}
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.go_on)
        self.thread.start()

    def go_on(self) -> None:
        database = self.world.place.conninfo(self.world.name, proxied=False)
        while not self.is_over.is_set():
            event = str(uuid.uuid4())
            self.asked.append(event)
            ended = self.world.run("events", "append", WORKSPACE, json.dumps({"number": len(self.asked)}), "--id", event,
                                   "--stream", self.stream, "--type", COUNTED, "--database", database)
            if ended.status == 0:
                self.acknowledged[event] = ended.report["sequence"]
            elif ended.status != UNAVAILABLE:
                self.refused.append(f"{ended.status}: {ended.errors}")

    def await_more(self) -> None:
        """Until one more than now is acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before, ACKNOWLEDGED_DEADLINE_S, "no event was acknowledged")

    def stop(self) -> None:
        self.is_over.set()
        self.thread.join()

    def judge(self, tally: Tally) -> None:
        """Acknowledged events are there once, under their sequence; others once at most."""
        rows = self.world.rows(f"select id::text as id, sequence from ledger.events where stream = '{self.stream}'")
        times = Counter(row["id"] for row in rows)
        kept = [event for event, sequence in self.acknowledged.items() if times[event] == 1 and {"id": event, "sequence": sequence} in rows]
        tally.tried[KEPT] += len(self.acknowledged)
        tally.survived[KEPT] += len(kept)
        if len(kept) < len(self.acknowledged):
            raise AssertionError(f"acknowledged, and not there once: {sorted(self.acknowledged.keys() - set(kept))}")
        if self.refused:
            raise AssertionError(f"{len(self.refused)} appends ended otherwise: {self.refused[0]}")
        if unasked := set(times) - set(self.asked) or [event for event, count in times.items() if count > 1]:
            raise AssertionError(f"events that nobody asked for, or twice: {sorted(unasked)}")


class Faults:
    """Every fault by name, in the order in which they are tried."""

    def __init__(self, worlds: Worlds, options: argparse.Namespace):
        self.worlds = worlds
        self.options = options
        self.chance = random.Random(options.seed)
        self.order = random.Random(options.seed)
        self.source = MLflowServer(options.source, options.source_group, Path(options.directory) / "logs" / "source.log")
        self.market = MLflowServer(options.market, options.market_group, Path(options.directory) / "logs" / "marketplace.log")
        self.postgres = PostgresServer(options.postgres_bin, options.cluster)

    def all(self) -> list[tuple[str, Callable[[World], bool]]]:
        found: list[tuple[str, Callable[[World], bool]]] = []
        for label, sizes in (("source", (1, 5_000, 300_000)), ("marketplace", (1, 2_000, 20_000, 500_000)),
                             ("database", (1, 3_000, 20_000, 60_000))):
            for direction in ("up", "down"):
                for size in sizes:
                    if (label, direction) == ("source", "up") and size > 1_000:
                        continue
                    found.append((f"{label}: reset once after {size} bytes {direction}",
                                  self.under(lambda label=label, direction=direction, size=size:
                                             ResetAfter(label, direction, self.chance.randint(1, self.fewer(2 * size))))))
                if (label, direction) == ("source", "up"):
                    continue
                found.append((f"{label}: reset every 50000 bytes {direction}",
                              self.under(lambda label=label, direction=direction:
                                         ResetAfter(label, direction, self.fewer(50_000), True))))
        for word, occurrence in (("ledger.append", 1), ("ledger.append", 2), ("ledger.append", 4), ("commit", 2)):
            found.append((f"database: dark after {word} {occurrence}",
                          self.under(lambda word=word, occurrence=occurrence: DarkAfter(word, self.fewer(occurrence)))))
        found.append(("database: dark for good after ledger.append 2", self.under(lambda: DarkAfter("ledger.append", self.fewer(2), True))))
        found.append(("registries: slow to a crawl", self.under(Crawl)))
        for label in ("source", "marketplace"):
            for status, extra in (("503 Service Unavailable", f"Retry-After: {RETRY_AFTER_S}\r\n"), ("429 Too Many Requests", "")):
                found.append((f"{label}: a burst of {status[:3]}", self.under(
                    lambda label=label, status=status, extra=extra: Busy(label, canned(status, extra)))))
            found.append((f"{label}: 502 though it was done", self.under(
                lambda label=label: Busy(label, canned("502 Bad Gateway"), done_all_the_same=True))))
        for name, occurrences in LATE.items():
            for occurrence in range(1, occurrences + 1):
                found.append((f"arrives late: {name} {occurrence}", self.late(name, occurrence)))
        for words, occurrence in (("ledger.append", 1), ("ledger.append", 3), ("lock", 3), ("connect", 3)):
            found.append((f"PostgreSQL killed at {words} {occurrence}", self.postgres_dies(words, occurrence)))
        for server, words, moment in ((self.source, "source: GET artifacts/…", "midway"), (self.source, "source: GET registered-models/search", "after"),
                                      (self.market, "marketplace: PUT artifacts/…", "midway"), (self.market, "marketplace: POST model-versions/create", "before"),
                                      (self.market, "marketplace: POST runs/create", "after")):
            found.append((f"MLflow killed {moment} {words}", self.mlflow_dies(server, words, moment)))
        return found

    def fewer(self, number: int) -> int:
        """A number as it is meant in the first try, and smaller in each further one."""
        return max(1, number // SMALLER**self.worlds.tries)

    def late(self, name: str, occurrence: int) -> Callable[[World], bool]:
        def harm(world: World) -> bool:
            plan = world.place.board.plan = Late(name, self.fewer(occurrence))
            plan.run = world.start("sync")
            plan.has_run.set()
            plan.run.wait()
            problems, _ = aftermath(world, self.worlds.verifier)
            if problems:
                raise AssertionError(f"before the late request arrived: {problems}")
            plan.may_arrive.set()
            if plan.happened and not plan.has_arrived.wait(ARRIVAL_DEADLINE_S):
                raise TimeoutError("the late request was not answered")
            if plan.happened and name in MAKES_DOUBLE:
                told = world.run("check", "--repair").report.get("violations", [])
                if [each["pending"] and each["message"].endswith("Removed.") for each in told] != [True]:
                    raise AssertionError(f"the check did not remove one double: {told}")
            return plan.happened
        return harm

    def under(self, make: Callable[[], Calm]) -> Callable[[World], bool]:
        def harm(world: World) -> bool:
            plan = make()
            self.sync_under(world, plan)
            return plan.happened
        return harm

    def sync_under(self, world: World, plan: Calm) -> None:
        world.place.board.plan = plan
        try:
            self.acceptable(world.start("sync"))
        finally:
            plan.release()
            world.place.board.plan = Calm()

    @staticmethod
    def acceptable(run: Run) -> None:
        ended = run.wait(ENDED_DEADLINE_S)
        # Of two that run at once, one leaves to the other what that is doing.
        if ended.is_busy and ended.status == BUSY_STATUS:
            return
        if ended.status not in ACCEPTABLE:
            raise AssertionError(f"under the fault it ended with {ended.status}: {said(ended)}")
        if ended.status != 0 and said(ended) == "[]":
            raise AssertionError(f"it ended with {ended.status} and did not say why")

    def postgres_dies(self, words: str, occurrence: int) -> Callable[[World], bool]:
        def harm(world: World) -> bool:
            plan = Strike(words, "before", self.fewer(occurrence), self.postgres.kill)
            appends = Appends(world)
            try:
                appends.await_more()
                self.sync_with_restart(world, plan, self.postgres.start, SYNCS)
                self.postgres.start()
                appends.await_more()
            finally:
                appends.stop()
                self.postgres.start()
            appends.judge(self.worlds.tally)
            return plan.happened
        return harm

    def mlflow_dies(self, server: MLflowServer, words: str, moment: str) -> Callable[[World], bool]:
        def harm(world: World) -> bool:
            plan = Strike(words, moment, 1, server.kill)
            try:
                self.sync_with_restart(world, plan, server.start)
            finally:
                server.start()
            return plan.happened
        return harm

    def sync_with_restart(self, world: World, plan: Strike, restart: Callable[[], None], syncs: int = 1) -> None:
        """The server comes back as soon as it has gone, while the syncs still run."""
        blow, gone = plan.blow, threading.Event()

        def struck() -> None:
            blow()
            gone.set()

        plan.blow = struck
        world.place.board.plan = plan
        runs = [world.start("sync") for _ in range(syncs)]
        try:
            # Whoever starts a server has to outlive it, so this thread does.
            wait_until(lambda: gone.is_set() or (have_ended(runs) and not plan.happened), ENDED_DEADLINE_S,
                       "neither the server nor the sync ended")
            if gone.is_set():
                restart()
            for run in runs:
                self.acceptable(run)
        finally:
            world.place.board.plan = Calm()


def have_ended(runs: list[Run]) -> bool:
    return all(run.process.poll() is not None for run in runs)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("binary", "directory", "cluster", "source", "market"):
        parser.add_argument(name)
    parser.add_argument("source_group", type=int)
    parser.add_argument("market_group", type=int)
    parser.add_argument("postgres_bin")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--only")
    return parser.parse_args()


def main() -> None:
    options = parsed()
    place = Place(options.binary, Path(options.directory), options.cluster, options.source, options.market, database_over_tcp=True)
    tally = Tally()
    worlds = Worlds(place, tally, "network")
    faults = Faults(worlds, options)
    points = faults.all()
    if options.only:
        points = [each for each in points if options.only in each[0]]
    if options.short:
        faults.order.shuffle(points)
    print(f"{len(points)} faults; seed {options.seed}", flush=True)
    start = time.monotonic()
    try:
        for name, harm in points:
            if options.short and time.monotonic() > start + SHORT_SECONDS:
                break
            again = time.monotonic()
            # The same draws for a fault that is tried alone.
            faults.chance.seed(f"{options.seed} {name}")
            worlds.insist(name, f'--only "{name}" --seed {options.seed}', harm)
            print(f"  {time.monotonic() - again:5.0f} s  {name}", flush=True)
    finally:
        faults.source.stop()
        faults.market.stop()
    tally.table()
    print(f"  done after one further run: {tally.runs[1]}, after two: {tally.runs[2]}", flush=True)
    print(json.dumps({"faults": "network", "figures": tally.figures()}), flush=True)


if __name__ == "__main__":
    main()
