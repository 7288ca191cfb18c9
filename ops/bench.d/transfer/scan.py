"""ops/bench scan: what a night costs when nothing, or little, has changed.

usage: scan.py PROGRAM DIRECTORY CONNINFO SOURCES_URL MARKETPLACE_URL WORKSPACES MODELS

One MLflow server stands for all workspaces, a second is the marketplace; each has one process. The first sync brings
everything over and `marketplace check` proves it. Then, in turn: a sync with nothing changed, and one bare search for
each workspace by curl, as many at once as the program reads workspaces. Requests are counted in the servers' own logs.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from program import Program, log_lines
from rest import Registry, create_workspaces, seed, together

ROUNDS = 5
PROMOTIONS = 20
FILE_BYTES = 2_000
WORKSPACES_CONCURRENT = 4
MODELS_A_PAGE = 1000


def promote_another(registry: Registry, name: str) -> None:
    experiment = registry.get("experiments/get-by-name", experiment_name="study")["experiment"]["experiment_id"]
    version = registry.add_version(name, experiment, os.urandom(FILE_BYTES), None)
    registry.post("model-versions/transition-stage", name=name, version=version, stage="Production",
                  archive_existing_versions=True)


def curl_searches(url: str, names: list[str]) -> float:
    """Seconds of one search in each workspace, a process each, as a shell script would write it."""
    search = f"{url}/api/2.0/mlflow/registered-models/search?max_results={MODELS_A_PAGE}"
    command = f'curl --silent --fail --output /dev/null --header "X-MLFLOW-WORKSPACE: {{}}" "{search}"'
    start = time.perf_counter()
    subprocess.run(["xargs", "-P", str(WORKSPACES_CONCURRENT), "-I", "{}", "sh", "-c", command],
                   input="\n".join(names).encode(), check=True)
    return time.perf_counter() - start


def kept_search(registries: list[Registry]) -> float:
    """The same over kept connections and without a process each: the least that asking can cost."""
    start = time.perf_counter()
    together([lambda each=each: each.models() for each in registries], WORKSPACES_CONCURRENT)
    return time.perf_counter() - start


def expect(what: str, found: object, wanted: object) -> None:
    print(f"  {what}: {found}", flush=True)
    if found != wanted:
        raise SystemExit(f"{what}: {found}, not {wanted}")


def promoted(marketplace: Registry) -> int:
    """Models of the marketplace whose version under alias champion is in Production."""
    count = 0
    for model in marketplace.models():
        champion = {each["alias"]: each["version"] for each in model.get("aliases", [])}.get("champion")
        count += any(each["version"] == champion and each["current_stage"] == "Production"
                     for each in model.get("latest_versions", []))
    return count


def main(binary: str, directory: str, conninfo: str, sources: str, target: str, workspaces: int, models: int) -> None:
    root = Path(directory)
    logs = [root / "logs" / "sources.log", root / "logs" / "marketplace.log"]
    names = [f"ws-{number:03}" for number in range(workspaces)]
    total = workspaces * models
    start = time.perf_counter()
    create_workspaces(sources, names)
    registries = [Registry(sources, name) for name in names]
    together([lambda each=each: seed(each, models, FILE_BYTES) for each in registries])
    print(f"Seeded {workspaces} workspaces of {models} models in {time.perf_counter() - start:.0f} s.", flush=True)
    storage = root / "storage"
    storage.mkdir()
    program = Program(binary, root / "program", {
        "database": conninfo,
        "data": str(root / "program"),
        "storage": f"file://{storage}",
        "promoted": {"stages": ["Production"], "aliases": []},
        "workspaces": [{"id": name, "registry": sources, "mlflow_workspace": name} for name in names],
        "marketplace": {"registry": target, "name": "{workspace}.{model}"},
        "concurrency": {"workspaces": WORKSPACES_CONCURRENT},
    })
    program.run("migrate")
    marketplace = Registry(target)

    print("The first sync:", flush=True)
    first = program.run("sync")
    expect("exported", first.count("exported"), total)
    expect("imported", first.count("imported"), total)
    expect("promoted in the marketplace, as the server says", promoted(marketplace), total)
    expect("violations found by check", len(program.run("check").report.get("violations", [])), 0)
    print(f"  {first.seconds:.1f} s, {total / first.seconds:.1f} versions/s, peak memory {first.memory_bytes / 1e6:.0f} MB", flush=True)

    print("A sync with nothing changed, and bare searches, in turn:", flush=True)
    quiet, curls, kept, counts = [], [], [], []
    for _ in range(ROUNDS):
        before = [log_lines(log) for log in logs]
        call = program.run("sync")
        after = [log_lines(log) for log in logs]
        counts.append([b - a for a, b in zip(before, after)])
        assert not any(each["items"] for each in call.report["workspaces"]), "the quiet run did something"
        quiet.append(call.seconds)
        curls.append(curl_searches(sources, names))
        kept.append(kept_search(registries))
    at_sources, at_marketplace = max(each[0] for each in counts), max(each[1] for each in counts)
    bound_sources = workspaces * (2 + -(-models // MODELS_A_PAGE))
    bound_marketplace = 2 + -(-total // MODELS_A_PAGE)
    print(f"  sync {statistics.median(quiet):.2f} s, {at_sources} + {at_marketplace} requests; curl "
          f"{statistics.median(curls):.2f} s; kept connections {statistics.median(kept):.2f} s", flush=True)

    promotions = min(PROMOTIONS, total)
    chosen = random.Random(20).sample([(each, f"model {n:02}") for each in registries for n in range(models)], promotions)
    together([lambda each=each, name=name: promote_another(each, name) for each, name in chosen])
    print(f"After {promotions} promotions:", flush=True)
    third = program.run("sync")
    wanted = sorted((registry.workspace, name) for registry, name in chosen)
    for action in ("exported", "imported"):
        done = sorted((each["id"], item["model"]) for each in third.report["workspaces"] for item in each["items"] if item["action"] == action)
        expect(f"{action}, and no other than those promoted", (len(done), done == wanted), (promotions, True))
    expect("promoted in the marketplace, as the server says", promoted(marketplace), total)
    expect("violations found by check", len(program.run("check").report.get("violations", [])), 0)
    print(f"  {third.seconds:.1f} s", flush=True)

    def figure(name: str, ours: float, baseline: float | None, unit: str, goal: float | None) -> dict:
        ratio = None if baseline is None else round(baseline / max(ours, 1e-9), 2)
        return {"name": name, "ours": round(ours, 2), "baseline": None if baseline is None else round(baseline, 2), "unit": unit,
                "ratio": ratio, "goal": goal, "met": None if goal is None else ratio >= goal}

    rounds = list(zip(quiet, curls, kept))
    beside_curl = statistics.median(curl / ours for ours, curl, _ in rounds)
    figures = [
        {**figure("quiet-sync-beside-curl", statistics.median(quiet), statistics.median(curls), "s", None),
         "ratio": round(beside_curl, 2)},
        figure("quiet-sync-beside-kept-connections", statistics.median(quiet), statistics.median(kept), "s", None),
        figure("quiet-requests-at-the-sources", at_sources, bound_sources, "requests", 1),
        figure("quiet-requests-at-the-marketplace", at_marketplace, bound_marketplace, "requests", 1),
        figure("versions-transferred-after-promotions", third.count("exported"), promotions, "versions", 1),
        figure("first-sync", first.seconds, None, "s", None),
        figure("first-sync-memory", first.memory_bytes / 1e6, None, "MB", None),
        figure("sync-after-promotions", third.seconds, None, "s", None),
    ]
    print(json.dumps({"bench": "scan", "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:6], int(sys.argv[6]), int(sys.argv[7]))
