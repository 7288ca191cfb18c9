"""ops/bench workers: several workers at once on the same models, beside one.

usage: workers.py PROGRAM DIRECTORY CONNINFO WORKERS WORKSPACES MODELS SOURCES_URL TARGET_URL…

The targets come in pairs, one for the single worker and one for the many, a pair a round; each is empty, and each has a
ledger and a storage of its own. A worker is `marketplace sync` as a scheduler starts it on a machine of its own: a process, with
nothing shared but database, storage and registries. All start at once, and the time is taken when the last has ended. Each
ends with 0, or with 6 where others hold what was left; then everything has to be done, and one more sync has to find nothing.

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

from program import Call, Program
from rest import Registry, create_workspaces, seed, together

FILE_BYTES = 200_000
SOURCE_KEY = "marketplace.source_key"
DONE, BUSY = 0, 6


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
        "marketplace": {"registry": target, "name": "{workspace}.{model}"},
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


def seconds_of(program: Program, workers: int) -> tuple[float, list[Call]]:
    begin = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(lambda _: work(program), range(workers)))
    return time.perf_counter() - begin, done


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
    marketplace = Registry(target)
    versions = marketplace.get("model-versions/search", max_results=10_000)["model_versions"]
    keys = [tag["value"] for version in versions for tag in version.get("tags", []) if tag["key"] == SOURCE_KEY]
    expect("versions in the marketplace", len(versions), total)
    expect("source keys in the marketplace, and different ones", (len(keys), len(set(keys))), (total, total))
    expect("versions in Production", sum(each["current_stage"] == "Production" for each in versions), total)
    expect("violations found by check", len(program.run("check").report.get("violations", [])), 0)


def main(binary: str, directory: str, conninfo: str, workers: int, workspaces: int, models: int, sources: str, targets: list[str]) -> None:
    root = Path(directory)
    names = [f"ws-{number:03}" for number in range(workspaces)]
    total = workspaces * models
    begin = time.perf_counter()
    create_workspaces(sources, names)
    together([lambda each=each: seed(Registry(sources, each), models, FILE_BYTES) for each in names])
    print(f"Seeded {total} models in {workspaces} workspaces in {time.perf_counter() - begin:.0f} s.", flush=True)
    single, many, shares = [], [], []
    for number in range(0, len(targets), 2):
        turns = [("one", 1, targets[number]), ("many", workers, targets[number + 1])]
        for who, count, target in turns[:: 1 if number % 4 == 0 else -1]:
            name = f"{who}-{number // 2}"
            program = start(binary, root, conninfo, name, sources, target, names)
            seconds, calls = seconds_of(program, count)
            exactly_once(program, conninfo, name, root, target, total)
            again = program.run("sync")
            expect("what one more sync does", [item for each in again.report["workspaces"] for item in each["items"]], [])
            imported = [call.count("imported") for call in calls]
            expect("imported, as the workers say together", sum(imported), total)
            expect("exported, as the workers say together",
                   sum(call.count("exported") for call in calls), total)
            print(f"  {count} worker{'s' if count > 1 else ''}: {seconds:.1f} s, all {total} once; imported by each: "
                  f"{', '.join(map(str, imported))}", flush=True)
            (single if count == 1 else many).append(seconds)
            if count > 1:
                shares.append(sum(each > 0 for each in imported))
    ratio = statistics.median(one / all_ for one, all_ in zip(single, many))
    print(f"One worker took {ratio:.2f} times as long as {workers}, median of {len(single)} rounds.", flush=True)
    figures = [
        {"name": f"{workers}-workers-beside-one", "ours": round(statistics.median(many), 1),
         "baseline": round(statistics.median(single), 1), "unit": "s", "ratio": round(ratio, 2), "goal": 1.0, "met": ratio > 1.0},
        {"name": "workers-that-imported", "ours": min(shares), "baseline": workers, "unit": "workers",
         "ratio": round(min(shares) / workers, 2), "goal": None, "met": None},
    ]
    print(json.dumps({"bench": "workers", "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:7]), sys.argv[7], sys.argv[8:])
