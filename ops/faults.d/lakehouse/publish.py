"""ops/faults publish: what is published as Delta tables equals PostgreSQL, whoever is killed when.

usage: publish.py PROGRAM DIRECTORY CLUSTER_DIRECTORY [--short] [--seed N]

A log grows by random events and redactions. At each step `marketplace publish` is started and killed at a random moment: the
program, its writer, or both. What lies in storage then must be readable, each table as of one position, and the events 1 to
that position, each once. At the end it is published whole, and every cell of every table is compared with PostgreSQL, as four
readers see it that have nothing to do with us: deltalake, and pyarrow, DuckDB and Spark over the files of the newest version.
Publishing again must commit nothing. Once, Spark folds the published events, and what comes out is compared cell by cell. All that in a
folder, and in a bucket (moto, which enforces conditional writes).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from database import Cluster
from mix import PRINCIPAL, START_MS
from published import FOLDED, VIEWS, Published
from unruly import UnrulyWorkspace
from wire import Call, Connection

WORKSPACES = ("dev01", "dev02", "dev03", "dev04", "dev05")
EVENTS_A_STEP = {"full": 1_000, "short": 200}
KILLS = {"full": 20, "short": 4}
BUCKET = "lakehouse"


class Ground(Published):
    """A database and a store, and the program over both."""

    def __init__(self, binary: str, folder: Path, cluster: Cluster, name: str, storage: dict[str, Any], options: dict[str, str],
                 seed: int):
        super().__init__(folder, cluster.conninfo(name), f"{storage['url']}/lakehouse", options)
        self.binary = binary
        cluster.admin.run(f"create database {name} template template0")
        settings = {"database": self.conninfo, "storage": storage, "workspaces": [], "lakehouse": {"python": sys.executable}}
        self.configuration = folder / f"{name}.yaml"
        self.configuration.write_text(json.dumps(settings))
        subprocess.run([*self.program, "migrate"], check=True, capture_output=True)
        self.owner = Connection(self.conninfo)
        self.owner.run(f"do $$ begin create role {PRINCIPAL} login in role ledger_writer; exception when duplicate_object then null; end $$")
        self.owner.run(f"select ledger.grant_append('{PRINCIPAL}', '*', '')")
        self.writer = Connection(cluster.conninfo(name, PRINCIPAL))
        self.spread = [UnrulyWorkspace(workspace, seed) for workspace in WORKSPACES]
        for workspace in self.spread:
            self.owner.run(f"select ledger.open_workspace('{workspace.name}')")
            self.writer.append(Call([workspace.connect()], START_MS))

    @property
    def program(self) -> list[str]:
        return [self.binary, "--config", str(self.configuration)]

    def grow(self, chance: random.Random, events: int) -> None:
        for workspace in self.spread:
            self.writer.append(Call(workspace.events(events // len(self.spread)), START_MS))
        workspace = chance.choice(self.spread).name
        rows = self.owner.run(f"select sequence from ledger.event where workspace = '{workspace}' and data is not null "
                              f"and type = 'ModelDescribed' order by md5(sequence || '{chance.random()}') limit 1")
        if rows:
            self.owner.run(f"select ledger.redact('{workspace}', {rows[0][0]}, 'for a test')")

    def publish(self) -> dict[str, Any]:
        done = subprocess.run([*self.program, "publish", "--output", "json"], capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise RuntimeError(f"publish: {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def kill(self, chance: random.Random, seconds: float) -> str:
        """Starts it, and kills it at some moment."""
        process = subprocess.Popen([*self.program, "publish"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + seconds * chance.random()
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        if process.poll() is not None:
            return "done before"
        children = [child for task in Path(f"/proc/{process.pid}/task").iterdir() for child in (task / "children").read_text().split()]
        what = chance.choice(["program", "writer", "both"]) if children else "program"
        if what != "program":
            os.kill(int(children[0]), signal.SIGKILL)
        if what != "writer":
            process.kill()
        process.wait()
        # A writer whose program is gone ends by itself, without a commit.
        for child in children:
            while Path(f"/proc/{child}").exists() and Path(f"/proc/{child}/stat").read_text().split(")")[1].split()[0] != "Z":
                time.sleep(0.01)
        return what

    def readable(self) -> list[str]:
        """What is wrong with what lies there now."""
        wrong = []
        for name in (*VIEWS, "events"):
            table = self.table(name)
            if table is None:
                continue
            rows = table.to_pyarrow_table()
            position = table.transaction_version("marketplace")
            if position is None:
                wrong.append(f"{name} has rows and no position")
            if name == "events" and sorted(rows["position"].to_pylist()) != list(range(1, (position or 0) + 1)):
                wrong.append(f"events: {rows.num_rows} rows, {len(set(rows['position'].to_pylist()))} positions, of {position}")
        return wrong


def sweep(ground: Ground, chance: random.Random, size: str, label: str) -> tuple[list[dict], list[str]]:
    failures: list[str] = []
    ground.grow(chance, EVENTS_A_STEP[size])
    start = time.monotonic()
    ground.publish()
    seconds = (time.monotonic() - start) * 1.2
    kills, tried, survived = {"program": 0, "writer": 0, "both": 0, "done before": 0}, 0, 0
    while tried < KILLS[size]:
        ground.grow(chance, EVENTS_A_STEP[size])
        what = ground.kill(chance, seconds)
        kills[what] += 1
        if what == "done before":
            continue
        tried += 1
        wrong = ground.readable()
        survived += not wrong
        failures += [f"{label}, killed {what}: {line}" for line in wrong]
    # Two at a time, and then nothing new.
    ground.grow(chance, EVENTS_A_STEP[size])
    both = [subprocess.Popen([*ground.program, "publish"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=600)
        if process.returncode:
            failures.append(f"{label}, two at a time: {process.returncode}: {errors.decode()[-500:]}")
    said = ground.publish()
    versions = {name: ground.table(name).version() for name in (*VIEWS, "events")}
    again = ground.publish()
    if any(table["written"] for table in again["tables"]) or versions != {name: ground.table(name).version() for name in (*VIEWS, "events")}:
        failures.append(f"{label}: publishing again wrote something: {again}")
    cells = 0
    differences = ground.differences(said["position"])
    for count, wrong in differences.values():
        cells += count
        failures += [f"{label}: {line}" for line in wrong]
    equal = sum(not wrong for _, wrong in differences.values())
    redacted = int(ground.owner.run("select count(*) from ledger.event where data is null")[0][0])
    print(f"{label}: killed {kills}; {said['position']:,} events, {redacted} redacted; {equal} of {len(differences)} readings equal, "
          f"{cells:,} cells compared", flush=True)
    figures = [{"name": f"{label}: kills", "tried": tried, "survived": survived},
               {"name": f"{label}: readings equal to PostgreSQL", "tried": len(differences), "survived": equal}]
    if ground.options:
        return figures, failures
    # what the files hold is the same wherever they lie
    folded = ground.folded(ground.fold(said["position"]), said["position"])
    failures += [f"{label}: {line}" for _, wrong in folded.values() for line in wrong]
    same = sum(not wrong for _, wrong in folded.values())
    print(f"{label}: {same} of {len(FOLDED)} tables that Spark folded equal, {sum(count for count, _ in folded.values()):,} cells compared",
          flush=True)
    figures.append({"name": f"{label}: tables folded by Spark equal to PostgreSQL", "tried": len(FOLDED), "survived": same})
    return figures, failures


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    size, chance = "short" if arguments.short else "full", random.Random(arguments.seed)
    folder = arguments.directory / "publish"
    folder.mkdir(mode=0o711)
    cluster = Cluster(arguments.cluster)
    figures, failures = [], []

    store = folder / "store"
    store.mkdir()
    grounds = [("a folder", "folder", {"url": f"file://{store}"}, {})]
    endpoint = os.environ["S3_MOTO_URL"]
    options = {"aws_endpoint": endpoint, "aws_access_key_id": os.environ["S3_ACCESS_KEY_ID"], "aws_allow_http": "true",
               "aws_secret_access_key": os.environ["S3_SECRET_ACCESS_KEY"], "aws_region": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": options["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": options["aws_secret_access_key"]}
    subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-X", "PUT", f"{endpoint}/{BUCKET}"], check=True)
    grounds.append(("a bucket", "bucket", {"url": f"s3://{BUCKET}/tables", "endpoint": endpoint}, options))
    for label, name, storage, reading in grounds:
        ground = Ground(arguments.program, folder, cluster, f"published_{name}", storage, reading, arguments.seed)
        told, wrong = sweep(ground, chance, size, label)
        figures += told
        failures += wrong
    for line in failures:
        print(f"  ✗ {line[:1000]}", flush=True)
    print(json.dumps({"faults": "publish", "seed": arguments.seed, "figures": figures}))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
