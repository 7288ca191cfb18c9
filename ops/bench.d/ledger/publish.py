"""ops/bench publish: what publishing and folding cost, and whether a random history of a million events comes out equal.

usage: publish.py PROGRAM DIRECTORY CLUSTER_DIRECTORY [--short] [--seed N]

Sixty-five workspaces, every type of event that the projections take in. Published for the first time, again without anything new, and after ten thousand events
more; beside it, in the same run, the same rows read by COPY into a file and written by deltalake alone, from memory. Then Spark
folds the published events, beside `marketplace replay --into` of the same events in PostgreSQL, and every cell of its tables
is compared with the as-of functions.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from deltalake import write_deltalake

from database import Cluster
from mix import PRINCIPAL, START_MS
from published import FOLDED, VIEWS, Published
from unruly import unruly_workspaces
from wire import Call, Connection

EVENTS = {"full": 1_000_000, "short": 20_000}
EVENTS_MORE = 10_000
EVENTS_A_CALL = 250
DATABASE = "published"


class Bench(Published):
    def __init__(self, binary: str, folder: Path, cluster: Cluster, size: str, seed: int):
        store = folder / "store"
        store.mkdir()
        super().__init__(folder, cluster.conninfo(DATABASE), f"file://{store}/lakehouse", {})
        self.binary, self.size, self.figures = binary, size, []
        cluster.admin.run(f"create database {DATABASE} template template0")
        settings = {"database": self.conninfo, "storage": f"file://{store}", "workspaces": [], "lakehouse": {"python": sys.executable}}
        (folder / "marketplace.yaml").write_text(json.dumps(settings))
        self.program("migrate")
        self.owner = Connection(self.conninfo)
        self.owner.run(f"create role {PRINCIPAL} login in role ledger_writer")
        self.owner.run(f"select ledger.grant_append('{PRINCIPAL}', '*', '')")
        self.writer = Connection(cluster.conninfo(DATABASE, PRINCIPAL))
        self.spread = unruly_workspaces(seed)
        for workspace in self.spread:
            self.owner.run(f"select ledger.open_workspace('{workspace.name}')")
            self.writer.append(Call([workspace.connect()], START_MS))
        self.grow(EVENTS[size])
        # some are redacted before they are published
        for workspace in self.spread[:10]:
            for kind in ("ModelDescribed", "StageTransitioned", "ModelExported"):
                self.owner.run(f"select ledger.redact('{workspace.name}', (select max(sequence) from ledger.event where "
                               f"workspace = '{workspace.name}' and type = '{kind}'), 'for a test')")
        self.owner.run("vacuum analyze")

    def grow(self, events: int) -> None:
        for _ in range(-(-events // (EVENTS_A_CALL * len(self.spread)))):
            for workspace in self.spread:
                self.writer.append(Call(workspace.events(EVENTS_A_CALL), START_MS))
        self.owner.run("select ledger.seal()")

    def program(self, *words: str) -> tuple[float, str]:
        start = time.perf_counter()
        done = subprocess.run([self.binary, "--config", str(self.folder / "marketplace.yaml"), *words], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{words}: {done.returncode}: {done.stdout[-1000:]} {done.stderr[-1000:]}")
        return time.perf_counter() - start, done.stdout

    def publish(self) -> tuple[float, dict[str, Any]]:
        seconds, said = self.program("publish", "--output", "json")
        return seconds, json.loads(said)

    def alone(self, position: int) -> float:
        """The same rows read by COPY, and written by deltalake from memory."""
        seconds = 0.0
        for name in (*VIEWS, "events"):
            source = f"marketplace.{name}_at({position}::bigint)" if name != "events" else f"ledger.sealed_events(0, {position})"
            with (self.folder / "copied").open("wb") as file:
                start = time.perf_counter()
                subprocess.run(["psql", self.conninfo, "-qAtc", f"copy (select * from {source}) to stdout (format csv)"], check=True, stdout=file)
                seconds += time.perf_counter() - start
            rows = self.table(name).to_pyarrow_table()
            start = time.perf_counter()
            write_deltalake(str(self.folder / "alone" / name), rows)
            seconds += time.perf_counter() - start
        shutil.rmtree(self.folder / "alone")
        return seconds

    def told(self, name: str, ours: float, baseline: float, unit: str = "s", goal: float | None = None) -> None:
        ratio = baseline / ours if unit == "s" else ours / baseline
        shown = f"{ours:10,.1f} s   beside {baseline:,.1f} s" if unit == "s" else f"{ours:,} of {baseline:,}"
        print(f"  {name:<48} {shown}", flush=True)
        self.figures.append({"name": name, "ours": round(ours, 3), "baseline": round(baseline, 3), "unit": unit, "ratio": round(ratio, 3),
                             "goal": goal, "met": ratio >= goal if goal else None})


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    folder = arguments.directory / "publish"
    folder.mkdir(mode=0o711)
    start = time.perf_counter()
    bench = Bench(arguments.program, folder, Cluster(arguments.cluster), "short" if arguments.short else "full", arguments.seed)
    first, said = bench.publish()
    position = said["position"]
    print(f"seed {arguments.seed}: {position:,} events appended in {time.perf_counter() - start - first:.0f} s", flush=True)
    bench.told("published for the first time, beside COPY and writing", first, bench.alone(position))
    again, _ = bench.publish()
    bench.told("published again, nothing new, beside the first", again, first)
    bench.grow(EVENTS_MORE)
    more, said = bench.publish()
    position = said["position"]
    bench.told(f"published after {EVENTS_MORE:,} events more, beside the first", more, first)
    print(f"  the program's memory at its highest, or its writer's: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:,.0f} MB")

    start = time.perf_counter()
    output = bench.fold(position)
    folding = time.perf_counter() - start
    replaying, _ = bench.program("replay", "--as-of", str(position), "--into", "replayed")
    bench.told("folded by Spark, beside PostgreSQL's replay", folding, replaying)
    folded = bench.folded(output, position)
    cells = sum(count for count, _ in folded.values())
    bench.told(f"folded tables equal, {cells:,} cells", sum(not wrong for _, wrong in folded.values()), len(FOLDED), "tables", 1.0)
    wrong = [line for _, lines in folded.values() for line in lines]
    for line in wrong:
        print(f"  ✗ {line[:1000]}", flush=True)
    print(json.dumps({"bench": "publish", "seed": arguments.seed, "figures": bench.figures}))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
