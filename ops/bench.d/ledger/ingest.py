"""ops/bench ingest: a file of events appended through the command line, beside COPY of the same rows into a bare table.

usage: ingest.py PROGRAM DIRECTORY CLUSTER_DIRECTORY full|short

The bare table has the columns, sixteen partitions and indexes of ledger.event, no checks and no triggers, and is given sequences,
versions, salts and hashes. Ours is given lines of JSON: it reads, checks and appends them. Three rounds in turn, each into empty
tables. Beside it, once, the same with a JSON Schema on the type. Then it is killed at random moments, and started again until it
ends: every line is there once.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

from database import Cluster
from wire import Connection

LINES = {"full": 1_000_000, "short": 50_000}
ROUNDS = {"full": 3, "short": 2}
KILLS = 5
GOAL = 0.5
SCHEMA = {"type": "object", "required": ["model", "auc"], "properties": {"auc": {"type": "number", "minimum": 0, "maximum": 1}}}
TYPES = ("acme.Evaluated", "acme.Checked")


class Bench:
    def __init__(self, binary: str, folder: Path, cluster: Cluster, lines: int):
        self.binary, self.folder, self.cluster, self.lines = binary, folder, cluster, lines
        self.rows = folder / "rows"
        self.number = 0
        cluster.admin.run("create database template template template0")
        self.configure("template")
        subprocess.run([binary, "--config", str(folder / "marketplace.yaml"), "migrate"], check=True, capture_output=True)
        connection = Connection(cluster.conninfo("template"))
        connection.run("select ledger.grant_append('postgres', '*', '')")
        for name in TYPES:
            connection.run(f"select ledger.register_event_type('{name}', 1::smallint, '')")
        connection.run(f"select ledger.set_event_schema('{TYPES[1]}', 1::smallint, '{json.dumps(SCHEMA)}')")
        connection.run("select ledger.open_workspace('dev01')")
        connection.close()
        cluster.bare("bare", "template")
        self.bare = Connection(cluster.conninfo("bare"))
        self.files = {name: self.written(name) for name in TYPES}

    def written(self, name: str) -> Path:
        path, chance = self.folder / f"{name}.ndjson", random.Random(7)
        with path.open("w") as file:
            for number in range(self.lines):
                data = {"auc": round(chance.random(), 4), "dataset": f"d{number % 17}", "model": f"model-{number % 500}", "night": number}
                line = {"id": str(uuid.UUID(int=chance.getrandbits(128))), "stream": f"evaluation/model-{number % 500}", "type": name,
                        "occurred_at": "2026-03-01T02:00:00Z", "data": data}
                file.write(json.dumps(line, separators=(",", ":")) + "\n")
        return path

    def fresh(self) -> str:
        if self.number:
            self.cluster.admin.run(f"drop database ingest_{self.number} with (force)")
        self.number += 1
        self.cluster.admin.run(f"create database ingest_{self.number} template template")
        self.configure(f"ingest_{self.number}")
        return f"ingest_{self.number}"

    def configure(self, database: str) -> None:
        settings = {"database": self.cluster.conninfo(database), "storage": f"file://{self.folder}", "workspaces": []}
        (self.folder / "marketplace.yaml").write_text(json.dumps(settings))

    def command(self, name: str) -> list[str]:
        return [self.binary, "--config", str(self.folder / "marketplace.yaml"), "events", "append", "dev01", "--from",
                str(self.files[name]), "--output", "json"]

    def ours(self, name: str) -> float:
        self.fresh()
        start = time.perf_counter()
        done = subprocess.run(self.command(name), capture_output=True, text=True)
        seconds = time.perf_counter() - start
        said = json.loads(done.stdout)
        if done.returncode or said["appended"] != self.lines:
            raise RuntimeError(f"{done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
        return seconds

    def baseline(self) -> float:
        """The rows that ours made, as they are."""
        if not self.rows.exists():
            with self.rows.open("wb") as file:
                subprocess.run(["psql", self.cluster.conninfo(f"ingest_{self.number}"), "-qAtc", "copy (select * from ledger.event) to stdout"],
                               check=True, stdout=file)
        self.bare.run("truncate bare.copied")
        start = time.perf_counter()
        with self.rows.open("rb") as file:
            subprocess.run(["psql", self.cluster.conninfo("bare"), "-qc", "copy bare.copied from stdin"], check=True, stdin=file)
        return time.perf_counter() - start

    def killed(self) -> tuple[int, int]:
        """Started, killed and started again; returns how often, and how many events are there at the end."""
        database, chance = self.fresh(), random.Random(11)
        kills = 0
        whole = self.seconds * 0.8
        while kills < KILLS:
            process = subprocess.Popen(self.command(TYPES[0]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=whole * chance.random() / 2)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        done = subprocess.run(self.command(TYPES[0]), capture_output=True, text=True, check=True)
        said = json.loads(done.stdout)
        connection = Connection(self.cluster.conninfo(database))
        count, different = connection.run("select count(*), count(distinct data ->> 'night') from ledger.event")[0]
        connection.close()
        print(f"killed {kills} times, then {said['appended']:,} appended, {said['replayed']:,} there already: {int(count):,} events, "
              f"{int(different):,} different", flush=True)
        return kills, int(count) if int(count) == int(different) else 0


def main(binary: str, directory: str, cluster: str, size: str) -> None:
    folder = Path(directory) / "ingest"
    folder.mkdir(mode=0o711)
    bench = Bench(binary, folder, Cluster(cluster), LINES[size])
    figures = []
    for name, label in zip(TYPES, ("lines of JSON", "lines of JSON, with a schema")):
        times: dict[str, list[float]] = {"ours": [], "baseline": []}
        # with a schema it takes minutes: once says as much
        for _ in range(ROUNDS[size] if name == TYPES[0] else 1):
            times["ours"].append(bench.ours(name))
            times["baseline"].append(bench.baseline())
        rates = {who: bench.lines / statistics.median(values) for who, values in times.items()}
        ratio = statistics.median(b / a for a, b in zip(times["ours"], times["baseline"]))
        if name == TYPES[0]:
            bench.seconds = statistics.median(times["ours"])
        print(f"{label:<32} ours {rates['ours']:>9,.0f} events/s   COPY {rates['baseline']:>9,.0f}   {ratio:.2f}", flush=True)
        goal = GOAL if name == TYPES[0] else None
        figures.append({"name": label, "ours": round(rates["ours"]), "baseline": round(rates["baseline"]), "unit": "events/s",
                        "ratio": round(ratio, 3), "goal": goal, "met": ratio >= goal if goal else None})
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"the program's memory at its highest, or psql's: {memory / 1024:.0f} MB, for files of {bench.files[TYPES[0]].stat().st_size:,} bytes", flush=True)
    kills, count = bench.killed()
    figures.append({"name": f"events after {kills} kills", "ours": count, "baseline": bench.lines, "unit": "events",
                    "ratio": count / bench.lines, "goal": 1.0, "met": count == bench.lines})
    print(json.dumps({"bench": "ingest", "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
