"""ops/bench clients: 64 clients append single events over HTTP at once, beside pgbench inserting the same into a bare table, and an event
store from PyPI.

usage: clients.py PROGRAM DIRECTORY CLUSTER_DIRECTORY PGBENCH [--short]

In turn, some rounds of each, one workspace: wrk with 64 connections to the service, which has projections, checks, hashes and grants to see
to; pgbench with 64 clients and one INSERT a transaction into a table with the same columns and indexes, and nothing else; 64 threads with
`eventsourcing` 9.5 over PostgreSQL. Each in a database of its own, in the same cluster, durable commits throughout.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import threading
import time
import uuid
from pathlib import Path

from database import Cluster
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from service import Service
from wire import Connection

CLIENTS = 64
HERE = Path(__file__).resolve().parent
DATA = '{"auc":0.9134,"dataset":"readmission-2026","n":1}'
INSERT = f"""\\set s random(1, 9000000000000000000)
\\set k random(0, 499)
insert into bare.inserted (workspace, sequence, stream, version, id, type, type_version, recorded_at, principal, nth, data, salt, data_hash)
values ('dev01', :s, 'load/' || :k, :s, gen_random_uuid(), 'acme.Evaluated', 1, now(), 'acme_nightly', 0, '{DATA}',
        '\\x00000000000000000000000000000000', '\\x{'00' * 32}');
"""


class Bench:
    def __init__(self, options: argparse.Namespace):
        self.seconds, self.rounds = (3, 3) if options.short else (20, 5)
        self.cluster, self.pgbench = Cluster(options.cluster), options.pgbench
        self.service = Service(options.program, options.directory / "clients", self.cluster, name="served")
        self.token = self.service.token("events:append", workspaces=("dev01",))
        self.cluster.bare("bare", "served")
        self.service.start()
        self.script = self.service.folder / "insert.sql"
        self.script.write_text(INSERT)
        self.cluster.database("other")
        self.store = PostgresDatastore("other", self.cluster.directory, 5432, "postgres", "", pool_size=CLIENTS, max_overflow=0)
        self.recorder = PostgresApplicationRecorder(self.store)
        self.recorder.create_table()
        self.latencies: list[dict] = []

    def ours(self, round_: int) -> float:
        done = subprocess.run(["wrk", "--threads", "2", "--connections", str(CLIENTS), "--duration", f"{self.seconds}s", "--timeout", "30s",
                               "--script", str(HERE / "append.lua"), self.service.url], capture_output=True, text=True, check=True,
                              env={**os.environ, "TOKEN": self.token, "SEED": str(round_ + 1)})
        result = json.loads(done.stdout.partition("RESULT ")[2].splitlines()[0])
        assert result["errors"] == 0, done.stdout
        self.latencies.append(result)
        return result["requests"] / result["seconds"]

    def bare(self, _: int) -> float:
        done = subprocess.run([self.pgbench, "--no-vacuum", "--client", str(CLIENTS), "--jobs", "2", "--time", str(self.seconds), "--protocol", "prepared",
                               "--file", str(self.script), "--host", self.cluster.directory, "--username", "postgres", "bare"],
                              capture_output=True, text=True, check=True)
        return float(done.stdout.partition("tps = ")[2].split()[0])

    def other(self, _: int) -> float:
        end, counts = time.monotonic() + self.seconds, [0] * CLIENTS

        def append(number: int) -> None:
            originator, version = uuid.uuid4(), 0
            while time.monotonic() < end:
                version += 1
                self.recorder.insert_events([StoredEvent(originator, version, "acme.Evaluated", DATA.encode())])
                counts[number] += 1

        threads = [threading.Thread(target=append, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / self.seconds

    def run(self) -> list[dict]:
        contenders = {"ours": self.ours, "pgbench": self.bare, "eventsourcing": self.other}
        found: dict[str, list[float]] = {name: [] for name in contenders}
        for round_ in range(self.rounds):
            names = list(contenders)
            for name in names[round_ % 3:] + names[:round_ % 3]:
                found[name].append(contenders[name](round_))
            print("  " + "   ".join(f"{name} {values[-1]:,.0f}/s" for name, values in found.items()), flush=True)
        medians = {name: statistics.median(values) for name, values in found.items()}
        sent = sum(each["requests"] for each in self.latencies)
        there = int(Connection(self.service.conninfo).run("select count(*) from ledger.event where stream like 'load/%'")[0][0])
        assert there >= sent, f"{there} events of {sent} that were acknowledged"
        p50, p99 = (statistics.median(each[key] for each in self.latencies) for key in ("p50", "p99"))
        print(f"  the service: half within {p50:.1f} ms, 99 of 100 within {p99:.1f} ms; {there:,} events in the log", flush=True)
        return [
            {"name": "64 clients, single events, beside pgbench into a bare table", "ours": round(medians["ours"], 1), "baseline": round(medians["pgbench"], 1),
             "unit": "events/s", "ratio": round(medians["ours"] / medians["pgbench"], 3), "goal": None, "met": None, "p50_ms": p50, "p99_ms": p99},
            {"name": "64 clients, single events, beside eventsourcing", "ours": round(medians["ours"], 1), "baseline": round(medians["eventsourcing"], 1),
             "unit": "events/s", "ratio": round(medians["ours"] / medians["eventsourcing"], 3), "goal": 1, "met": medians["ours"] > medians["eventsourcing"]},
        ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("pgbench")
    parser.add_argument("--short", action="store_true")
    bench = Bench(parser.parse_args())
    try:
        figures = bench.run()
    finally:
        bench.store.close()
        bench.service.stop()
    print(json.dumps({"bench": "clients", "figures": figures}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
