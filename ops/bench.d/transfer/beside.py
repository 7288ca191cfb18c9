"""ops/bench export and ops/bench import: our job, mlflow-export-import, and a bare loop, in turn on the same servers.

usage: beside.py export|import PROGRAM DIRECTORY CONNINFO SOURCE_URL DESTINATION_URL DIRECT_URL DIRECT_SOURCE_URL PEER_BIN MODELS ROUNDS

Every model has two versions of 1 MB, the second in Production. Only those are wanted.

export: ours observes and exports into a fresh ledger and store; the other tool runs `export-models --stages Production
--use-threads True`; the bare loop asks for what an exact copy needs, eight requests at a time over kept connections,
hashes what it writes and keeps no record at all.

import: ours imports what it exported, under names of its own each round; the other tool imports what it exported into a
server that keeps artifacts on the importer's own disk, from one that does too, the only pair of which it imports anything; the bare loop makes the same
entities by the same calls as a version needs, from files it read beforehand.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from program import Program, log_lines, measured
from rest import MLMODEL, Registry, together

BYTES = 1_000_000
THREADS = 8
PEER_DEADLINE_S = 1800


class Bench:
    """The servers, and one way to copy for each contender."""

    def __init__(self, binary: str, directory: str, conninfo: str, source: str, destination: str, direct: str,
                 direct_source: str, peer: str, models: int):
        self.binary, self.root, self.conninfo, self.peer_bin = binary, Path(directory), conninfo, Path(peer)
        self.source, self.destination = Registry(source), Registry(destination)
        self.direct, self.direct_source = Registry(direct), Registry(direct_source)
        self.logs = {each: self.root / "logs" / f"{each}.log" for each in ("source", "destination", "direct")}
        self.models = [f"model-{number:02}" for number in range(models)]

    def seed(self, registry: Registry) -> None:
        experiment = registry.experiment("study")

        def one(name: str) -> None:
            generator = random.Random(name)
            registry.post("registered-models/create", name=name, description=f"{name}, measured")
            registry.add_version(name, experiment, generator.randbytes(BYTES), "Archived")
            registry.add_version(name, experiment, generator.randbytes(BYTES), "Production")

        together([lambda name=name: one(name) for name in self.models], 4)

    def requests(self) -> dict[str, int]:
        return {name: log_lines(log) for name, log in self.logs.items()}

    # Ours.

    def program(self, name: str, marketplace: bool) -> Program:
        """A ledger and a store of its own."""
        subprocess.run(["psql", "--quiet", "--dbname", self.conninfo, "--command", f'create database "{name}"'], check=True)
        directory = self.root / name
        (directory / "storage").mkdir(parents=True)
        settings = {
            "database": f"{self.conninfo} dbname={name}",
            "data": str(directory),
            "storage": f"file://{directory}/storage",
            "promoted": {"stages": ["Production"], "aliases": []},
            "workspaces": [{"id": "dev01", "registry": self.source.url}],
        }
        if marketplace:
            settings["marketplace"] = {"registry": self.destination.url, "name": name + ".{workspace}.{model}"}
        program = Program(self.binary, directory, settings)
        program.run("migrate")
        return program

    def our_export(self, name: str) -> float:
        program = self.program(name, marketplace=False)
        observed = program.run("observe")
        exported = program.run("export")
        assert exported.count("exported") == len(self.models), exported.report
        self.expect_files(self.root / name / "storage")
        return observed.seconds + exported.seconds

    def our_import(self, name: str) -> float:
        program = self.program(name, marketplace=True)
        program.run("observe")
        program.run("export")
        before = self.requests()
        imported = program.run("import")
        self.import_requests = self.requests()["destination"] - before["destination"]
        assert imported.count("imported") == len(self.models), imported.report
        return imported.seconds

    def expect_files(self, directory: Path) -> None:
        """As many models of 1 MB as are wanted lie there."""
        found = sum(path.stat().st_size == BYTES for path in directory.rglob("model.pkl"))
        assert found >= len(self.models), f"{found} models under {directory}"

    # The other tool.

    def peer(self, url: str, *arguments: object) -> float:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": url, "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"}
        call = measured([str(each) for each in arguments], environment, self.root)
        assert call.status == 0, call.errors[-2000:]
        return call.seconds

    def peer_export(self, name: str) -> float:
        return self.peer_export_from(self.source, name)

    def peer_export_from(self, source: Registry, name: str) -> float:
        seconds = self.peer(source.url, self.peer_bin / "export-models", "--output-dir", self.root / name, "--models", "all",
                            "--stages", "Production", "--use-threads", "True")
        self.expect_files(self.root / name)
        return seconds

    def peer_import(self, name: str) -> float:
        """Into an empty registry each time: a second import would add to the first."""
        self.peer_export_from(self.direct_source, name)
        for model in self.direct.models():
            self.direct.request("DELETE", "/api/2.0/mlflow/registered-models/delete", json.dumps({"name": model["name"]}).encode())
        seconds = self.peer(self.direct.url, self.peer_bin / "import-models", "--input-dir", self.root / name,
                            "--use-threads", "True")
        versions = sum(len(model.get("latest_versions", [])) for model in self.direct.models())
        assert versions == len(self.models), f"the other tool imported {versions} of {len(self.models)}"
        return seconds

    # The bare loop.

    def bare_export(self, name: str) -> float:
        directory = self.root / name
        start = time.perf_counter()
        wanted = [version for model in self.source.models() for version in model.get("latest_versions", [])
                  if version["current_stage"] == "Production"]
        together([lambda version=version: self.bare_copy(version, directory) for version in wanted], THREADS)
        seconds = time.perf_counter() - start
        self.expect_files(directory)
        return seconds

    def bare_copy(self, version: dict, directory: Path) -> None:
        """What an exact copy asks for: the version, its run, the histories, the experiment, every listing, every file."""
        self.source.get("model-versions/get", name=version["name"], version=version["version"])
        run = self.source.get("runs/get", run_id=version["run_id"])["run"]
        for metric in run["data"].get("metrics", []):
            self.source.get("metrics/get-history", run_id=version["run_id"], metric_key=metric["key"])
        self.source.get("experiments/get", experiment_id=run["info"]["experiment_id"])
        root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
        folders, digests = [""], {}
        while folders:
            folder = folders.pop()
            path = urllib.parse.quote(f"{root}/{folder}".rstrip("/"), safe="")
            listing = json.loads(self.source.request("GET", f"/api/2.0/mlflow-artifacts/artifacts?path={path}"))
            for file in listing.get("files", []):
                inside = f"{folder}/{file['path']}".lstrip("/")
                if file.get("is_dir"):
                    folders.append(inside)
                    continue
                data = self.source.request("GET", f"/api/2.0/mlflow-artifacts/artifacts/{urllib.parse.quote(f'{root}/{inside}')}")
                digests[inside] = hashlib.sha256(data).hexdigest()
                target = directory / version["name"] / inside
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        (directory / version["name"] / "manifest.json").write_text(json.dumps(digests))

    def bare_import(self, name: str) -> float:
        files = {model: random.Random(model).randbytes(BYTES) for model in self.models}
        start = time.perf_counter()
        experiment = self.destination.experiment(f"{name}/study")
        together([lambda model=model: self.bare_make(f"{name}.{model}", experiment, files[model]) for model in self.models], THREADS)
        return time.perf_counter() - start

    def bare_make(self, model: str, experiment: str, data: bytes) -> None:
        """What a version needs to exist: model, run, log, files, version, stage, alias, and a hash of the bytes."""
        hashlib.sha256(data).hexdigest()
        hashlib.sha256(MLMODEL.encode()).hexdigest()
        self.destination.post("registered-models/create", name=model)
        version = self.destination.add_version(model, experiment, data, "Production")
        self.destination.post("registered-models/alias", name=model, alias="champion", version=version)


CONTENDERS = ("ours", "peer", "bare")
TITLES = {"ours": "marketplace", "peer": "mlflow-export-import 1.2.0 --use-threads", "bare": "a bare loop of 8 threads"}


def main(what: str, *arguments: str) -> None:
    models, rounds = int(arguments[8]), int(arguments[9])
    bench = Bench(*arguments[:8], models)
    bench.seed(bench.source)
    if what == "import":
        bench.seed(bench.direct_source)
    print(f"{models} models, two versions of {BYTES:,} bytes each, one of them in Production; MLflow 2.22, one worker; "
          f"{rounds} rounds in turn.", flush=True)
    seconds: dict[str, list[float]] = {each: [] for each in CONTENDERS}
    requests: dict[str, int] = {}
    for number in range(rounds):
        for contender in CONTENDERS[number % 3:] + CONTENDERS[:number % 3]:
            before = bench.requests()
            name = f"{what}-{contender}-{number}"
            taken = getattr(bench, f"{'our' if contender == 'ours' else contender}_{what}")(name)
            after = bench.requests()
            seconds[contender].append(taken)
            place = "source" if what == "export" else "direct" if contender == "peer" else "destination"
            requests[contender] = after[place] - before[place]
            print(f"  {contender:5} {taken:7.1f} s  {requests[contender]:6,} requests", flush=True)
            shutil.rmtree(bench.root / name, ignore_errors=True)
    if what == "import":
        requests["ours"] = bench.import_requests
    print(f"\n{'':42} median     a model  requests")
    for contender in CONTENDERS:
        median = statistics.median(seconds[contender])
        print(f"  {TITLES[contender]:38} {median:6.1f} s  {median / models:6.3f} s  {requests[contender]:8,}")
    figures = []
    for other in ("peer", "bare"):
        ratio = round(statistics.median(theirs / ours for ours, theirs in zip(seconds["ours"], seconds[other])), 2)
        figures.append({"name": f"{what}-beside-{other}", "ours": round(statistics.median(seconds["ours"]), 2),
                        "baseline": round(statistics.median(seconds[other]), 2), "unit": "s", "ratio": ratio, "goal": 1,
                        "met": ratio >= 1})
        figures.append({"name": f"{what}-requests-beside-{other}", "ours": requests["ours"], "baseline": requests[other],
                        "unit": "requests", "ratio": round(requests[other] / requests["ours"], 2), "goal": None, "met": None})
    print(json.dumps({"bench": what, "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
