"""ops/bench workers: several workers at once on the same models, beside one.

usage: workers.py PROGRAM DIRECTORY CONNINFO WORKERS WORKSPACES MODELS ROUNDS SOURCES_URL TARGET_URL

A worker is `marketplace sync` as a scheduler starts it on a machine of its own: a process, with nothing shared but database,
storage and registries. All start at once, and the time is taken when the last has ended. Each ends with 0, or with 6 where
others hold what was left; then everything has to be done, and one more sync has to find nothing. Each turn has a ledger, a
storage and an empty marketplace of its own, which is a workspace of the target.

This is done next door, where servers and workers share one machine's processors, and at a distance: each registry answers
100 ms later, as one does that stands in another network. Next door one worker alone may keep the processors busy; how busy
they were is told.

Exactly once is asked of the ledger, the storage and the marketplace, each without the program's own check; then of that.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distance import Distance
from program import Call, Program
from rest import Registry, create_workspaces, seed, together

FILE_BYTES = 200_000
SOURCE_KEY = "marketplace.source_key"
DONE, BUSY = 0, 6
# What it takes longer to a registry and back, by what that is called in the figures.
DISTANCES = {"next-door": 0.0, "100-ms-away": 0.1}


def start(binary: str, root: Path, conninfo: str, name: str, sources: str, target: str, workspaces: list[str]) -> Program:
    """A ledger, a storage and a configuration for one turn."""
    subprocess.run(["psql", "--quiet", conninfo, "--command", f'create database "{name}"'], check=True)
    (root / name / "storage").mkdir(parents=True)
    program = Program(binary, root / name, {
        "database": conninfo.replace("dbname=postgres", f"dbname={name}"),
        "data": str(root / name),
        "storage": f"file://{root / name / 'storage'}",
        "promoted": {"stages": ["Production"], "aliases": []},
        "workspaces": [{"id": each, "registry": sources, "mlflow_workspace": each} for each in workspaces],
        "marketplace": {"registry": target, "mlflow_workspace": name, "name": "{workspace}.{model}"},
    })
    program.run("migrate")
    return program


def work(program: Program) -> Call:
    """One worker: until it is done, or until others hold all that is left."""
    call = program.try_run("sync")
    if call.status not in (DONE, BUSY):
        failed = [item for each in call.report["workspaces"] for item in each["items"] if item["action"] == "failed"]
        raise SystemExit(f"a worker ended with {call.status}: {failed[:3]} {call.errors[-2000:]}")
    return call


def processor_seconds() -> tuple[float, float]:
    """What all processors have worked and had to spare since the machine started, in ticks."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, idle


def seconds_of(program: Program, workers: int) -> tuple[float, float, list[Call]]:
    """How long they took, how busy all processors were meanwhile (1 is wholly), and what each came to."""
    busy, idle = processor_seconds()
    begin = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(lambda _: work(program), range(workers)))
    seconds = time.perf_counter() - begin
    busy, idle = (after - before for before, after in zip((busy, idle), processor_seconds()))
    return seconds, busy / max(1, busy + idle), done


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise SystemExit(f"{what}: {found}, not {wanted}")


def exactly_once(program: Program, conninfo: str, name: str, root: Path, target: str, total: int) -> None:
    """Each model is exported once and imported once, by what ledger, storage and marketplace say."""
    database = conninfo.replace("dbname=postgres", f"dbname={name}")
    for kind in ("ModelExported", "ModelImported"):
        counts = subprocess.run(
            ["psql", "--no-align", "--tuples-only", database, "--command",
             f"select count(*), count(distinct (workspace, stream)) from ledger.event where type = '{kind}'"],
            check=True, capture_output=True, text=True).stdout.strip()
        expect(f"events {kind} and models with one", counts, f"{total}|{total}")
    exports = list((root / name / "storage" / "exports").glob("*/*/*"))
    expect("folders of exports", len(exports), total)
    expect("folders with a manifest", sum((each / "manifest.json").is_file() for each in exports), total)
    expect("files that an upload left", len(list((root / name / "storage").rglob("*.part"))), 0)
    marketplace = Registry(target, name)
    versions = marketplace.get("model-versions/search", max_results=10_000)["model_versions"]
    keys = [tag["value"] for version in versions for tag in version.get("tags", []) if tag["key"] == SOURCE_KEY]
    expect("versions in the marketplace", len(versions), total)
    expect("source keys in the marketplace, and different ones", (len(keys), len(set(keys))), (total, total))
    expect("versions in Production", sum(each["current_stage"] == "Production" for each in versions), total)
    expect("violations found by check", len(program.run("check").report.get("violations", [])), 0)


class Turns:
    """One worker and many in turn, in front of servers at one distance."""

    def __init__(self, binary: str, root: Path, conninfo: str, servers: tuple[str, str], workspaces: list[str], total: int):
        self.binary, self.root, self.conninfo, self.servers = binary, root, conninfo, servers
        self.workspaces, self.total = workspaces, total
        self.seconds: dict[int, list[float]] = {}
        self.shares: list[int] = []

    def take(self, workers: int, name: str, target: str, place: str) -> None:
        """One turn; `target` is the marketplace without the distance."""
        create_workspaces(target, [name])
        program = start(self.binary, self.root, self.conninfo, name, *self.servers, self.workspaces)
        seconds, busy, calls = seconds_of(program, workers)
        exactly_once(program, self.conninfo, name, self.root, target, self.total)
        again = program.run("sync")
        expect("what one more sync does", [item for each in again.report["workspaces"] for item in each["items"]], [])
        imported = [call.count("imported") for call in calls]
        expect("imported, as the workers say together", sum(imported), self.total)
        expect("exported, as the workers say together", sum(call.count("exported") for call in calls), self.total)
        print(f"  {place}, {workers} worker{'s' if workers > 1 else ''}: {seconds:.1f} s, all {self.total} once, processors "
              f"{busy:.0%} busy, {sum(call.report['requests'] for call in calls):,} requests; imported by each: {', '.join(map(str, imported))}", flush=True)
        self.seconds.setdefault(workers, []).append(seconds)
        if workers > 1:
            self.shares.append(sum(each > 0 for each in imported))


def main(
    binary: str, directory: str, conninfo: str, workers: int, workspaces: int, models: int, rounds: int, sources: str, target: str
) -> None:
    root = Path(directory)
    names = [f"ws-{number:03}" for number in range(workspaces)]
    begin = time.perf_counter()
    create_workspaces(sources, names)
    together([lambda each=each: seed(Registry(sources, each), models, FILE_BYTES) for each in names])
    print(f"Seeded {workspaces * models} models in {workspaces} workspaces in {time.perf_counter() - begin:.0f} s.", flush=True)
    figures = []
    for place, seconds in DISTANCES.items():
        away = tuple(Distance(url, seconds).url if seconds else url for url in (sources, target))
        turns = Turns(binary, root, conninfo, away, names, workspaces * models)
        for number in range(rounds):
            for count in (1, workers)[:: 1 if number % 2 == 0 else -1]:
                turns.take(count, f"{place}-{count}-{number}", target, place)
        single, many = turns.seconds[1], turns.seconds[workers]
        ratio = statistics.median(one / all_ for one, all_ in zip(single, many))
        print(f"{place}: one worker took {ratio:.2f} times as long as {workers}, median of {rounds}.", flush=True)
        figures += [
            {"name": f"{workers}-workers-beside-one-{place}", "ours": round(statistics.median(many), 1),
             "baseline": round(statistics.median(single), 1), "unit": "s", "ratio": round(ratio, 2), "goal": 1.0, "met": ratio > 1.0},
            {"name": f"workers-that-imported-{place}", "ours": min(turns.shares), "baseline": workers, "unit": "workers",
             "ratio": round(min(turns.shares) / workers, 2), "goal": None, "met": None},
        ]
    print(json.dumps({"bench": "workers", "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:8]), *sys.argv[8:])
