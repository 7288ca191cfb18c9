"""ops/bench export and ops/bench import: our job, mlflow-export-import, and bare loops, in turn on the same servers.

usage: beside.py export|import PROGRAM DIRECTORY CONNINFO SOURCE_URL DESTINATION_URL DIRECT_URL DIRECT_SOURCE_URL PEER_BIN MODELS ROUNDS

Every model has two versions of 1 MB, the second in Production. Only those are wanted.

export: ours observes and exports into a fresh ledger and store, by one `sync` without a marketplace; the other tool runs `export-models --stages Production
--use-threads True`; the bare loop sends the very requests that ours sent, eight at a time over kept connections, and hashes
and writes what it is given.

import: ours imports what it exported, from a workspace of its own each round; the other tool imports what it exported into a
server that keeps artifacts on the importer's own disk, from one that does too, the only pair of which it imports anything; the bare loop sends
the requests that ours sends, with tags, filters and orders of the same kind, from files that it holds in memory. Each finds the
registry without models.

What was written before lies on the disk when each begins.

Of a last one it is told, without a goal, what the fewest requests come to that make the copy: a loop that looks at nothing
before it makes it, neither finds what an earlier attempt left nor notices what went wrong, and keeps no record.
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

from program import Program, log_lines, logged_reads, measured
from rest import MLMODEL, Registry, logged, together

BYTES = 1_000_000
THREADS = 8
WORKSPACE = "marketplace.source.workspace"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
# How ours wants versions listed.
BY_NUMBER = {"max_results": 1000, "order_by": ["name ASC", "version_number ASC"]}


def tag(name: str, value: str) -> dict[str, str]:
    return {"key": f"marketplace.{name}", "value": value}


def empty(registry: Registry) -> None:
    """Leaves no model there; runs and files stay."""
    for model in registry.models():
        registry.request("DELETE", "/api/2.0/mlflow/registered-models/delete", json.dumps({"name": model["name"]}).encode())


class Bench:
    """The servers, and one way to copy for each contender."""

    def __init__(self, binary: str, directory: str, conninfo: str, source: str, destination: str, direct: str,
                 direct_source: str, peer: str, models: int):
        self.binary, self.root, self.conninfo, self.peer_bin = binary, Path(directory), conninfo, Path(peer)
        self.source, self.destination = Registry(source), Registry(destination)
        self.direct, self.direct_source = Registry(direct), Registry(direct_source)
        self.logs = {each: self.root / "logs" / f"{each}.log" for each in ("source", "destination", "direct")}
        self.models = [f"model-{number:02}" for number in range(models)]
        # What ours asked a source for.
        self.asked: list[str] = []
        self.import_requests = 0

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
            # One of its own, so that no round finds in the marketplace what another made.
            "workspaces": [{"id": name, "registry": self.source.url}],
        }
        if marketplace:
            settings["marketplace"] = {"registry": self.destination.url, "name": "{workspace}.{model}"}
        program = Program(self.binary, directory, settings)
        program.run("migrate")
        return program

    def our_export(self, name: str) -> float:
        program = self.program(name, marketplace=False)
        before = len(logged_reads(self.logs["source"]))
        os.sync()
        exported = program.run("sync")
        self.asked = logged_reads(self.logs["source"])[before:]
        assert exported.count("exported") == len(self.models), exported.report
        self.expect_files(self.root / name / "storage")
        return exported.seconds

    def our_import(self, name: str) -> float:
        program = self.program(name, marketplace=True)
        program.run("observe")
        program.run("export")
        os.sync()
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
        os.sync()
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
        self.peer_export_from(self.direct_source, name)
        seconds = self.peer(self.direct.url, self.peer_bin / "import-models", "--input-dir", self.root / name,
                            "--use-threads", "True")
        versions = sum(len(model.get("latest_versions", [])) for model in self.direct.models())
        assert versions == len(self.models), f"the other tool imported {versions} of {len(self.models)}"
        return seconds

    # The bare loop of the same requests.

    def bare_export(self, name: str) -> float:
        directory = self.root / name
        os.sync()
        start = time.perf_counter()
        together([lambda path=path: self.bare_read(path, directory) for path in self.asked], THREADS)
        seconds = time.perf_counter() - start
        self.expect_files(directory)
        return seconds

    def bare_read(self, path: str, directory: Path) -> None:
        data = self.source.request("GET", path)
        _, _, file = path.partition("/mlflow-artifacts/artifacts/")
        if file:
            hashlib.sha256(data).hexdigest()
            target = directory / urllib.parse.unquote(file)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def bare_import(self, name: str) -> float:
        files = {model: random.Random(model).randbytes(BYTES) for model in self.models}
        os.sync()
        start = time.perf_counter()
        self.destination.models()
        experiment = self.destination.experiment(f"{name}/study", [tag("source.workspace", name)])
        together([lambda model=model: self.bare_make(name, model, experiment, files[model]) for model in self.models], THREADS)
        self.destination.models()
        self.destination.get("model-versions/search", filter=f"tags.`{WORKSPACE}` = '{name}'", **BY_NUMBER)
        return time.perf_counter() - start

    def bare_make(self, workspace: str, model: str, experiment: str, data: bytes) -> None:
        """The requests that ours sends for a version: to look, to make, and to look again."""
        post, get, now, name = self.destination.post, self.destination.get, int(time.time() * 1000), f"{workspace}.{model}"
        source_run = hashlib.md5(model.encode(), usedforsecurity=False).hexdigest()
        run_key, version_key = f"run/{workspace}/{source_run}", f"{workspace}/{source_run}/2/{now}/1"
        place, export = tag("source.workspace", workspace), tag("export_id", source_run)
        for each in (data, MLMODEL.encode()):
            hashlib.sha256(each).hexdigest()
        post("registered-models/create", name=name, description=f"{model}, measured", tags=[place, tag("source.model", model)])
        post("experiments/search", filter=f"tags.`{WORKSPACE}` = '{workspace}'", max_results=1000, view_type="ALL",
             order_by=["creation_time ASC", "experiment_id ASC"])

        def search_run() -> None:
            post("runs/search", experiment_ids=[experiment], filter=f"tags.`marketplace.source_key` = '{run_key}'",
                 max_results=1000, run_view_type="ALL", order_by=["attributes.start_time ASC"])

        search_run()
        run = post("runs/create", experiment_id=experiment, run_name=f"{model} run", start_time=now, user_id="bench",
                   tags=[tag("source_key", run_key), tag("source.run_id", source_run), place, export])["run"]["info"]
        search_run()
        self.destination.put_file(run["artifact_uri"], "model/MLmodel", MLMODEL.encode())
        self.destination.put_file(run["artifact_uri"], "model/model.pkl", data)
        for folder in ("", "/model"):
            root = run["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
            self.destination.request("GET", f"{FILES}?path={urllib.parse.quote(root + folder, safe='')}")
        post("runs/update", run_id=run["run_id"], run_name=f"{model} run", status="FINISHED", end_time=now + 1000)
        post("runs/log-batch", run_id=run["run_id"], tags=[{"key": "cohort", "value": "2025-H2"}, tag("complete", "true")],
             **logged(now))
        made = post("model-versions/create", name=name, description="", run_id=run["run_id"], source=f"{run['artifact_uri']}/model",
                    tags=[tag("source_key", version_key), place, tag("source.model", model), tag("source.version", "2"), export])
        number = made["model_version"]["version"]
        get("model-versions/search", filter=f"tags.`marketplace.source_key` = '{version_key}'", **BY_NUMBER)
        post("model-versions/transition-stage", name=name, version=number, stage="Production", archive_existing_versions=True)
        post("registered-models/alias", name=name, alias="champion", version=number)

    # The fewest requests.

    def least_export(self, name: str) -> float:
        directory = self.root / name
        os.sync()
        start = time.perf_counter()
        wanted = [version for model in self.source.models() for version in model.get("latest_versions", [])
                  if version["current_stage"] == "Production"]
        together([lambda version=version: self.least_copy(version, directory) for version in wanted], THREADS)
        seconds = time.perf_counter() - start
        self.expect_files(directory)
        return seconds

    def least_copy(self, version: dict, directory: Path) -> None:
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

    def least_import(self, name: str) -> float:
        files = {model: random.Random(model).randbytes(BYTES) for model in self.models}
        os.sync()
        start = time.perf_counter()
        experiment = self.destination.experiment(f"{name}/study")
        together([lambda model=model: self.least_make(f"{name}.{model}", experiment, files[model]) for model in self.models], THREADS)
        return time.perf_counter() - start

    def least_make(self, model: str, experiment: str, data: bytes) -> None:
        """What a version needs to exist: model, run, log, files, version, stage, alias, and a hash of the bytes."""
        hashlib.sha256(data).hexdigest()
        hashlib.sha256(MLMODEL.encode()).hexdigest()
        self.destination.post("registered-models/create", name=model)
        version = self.destination.add_version(model, experiment, data, "Production")
        self.destination.post("registered-models/alias", name=model, alias="champion", version=version)


CONTENDERS = ("ours", "peer", "bare", "least")
TITLES = {"ours": "marketplace", "peer": "mlflow-export-import 1.2.0 --use-threads", "bare": "the same requests by 8 threads",
          "least": "the fewest requests by 8 threads"}
# Those that ours has to be ahead of.
RIVALS = ("peer", "bare")


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
        # Ours is the first of all, and sends what the loop sends again.
        first = number % len(CONTENDERS)
        for contender in CONTENDERS[first:] + CONTENDERS[:first]:
            if what == "import":
                # A second import would add to the first.
                empty(bench.destination)
                empty(bench.direct)
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
    for other in CONTENDERS[1:]:
        goal = 1 if other in RIVALS else None
        ratio = round(statistics.median(theirs / ours for ours, theirs in zip(seconds["ours"], seconds[other])), 2)
        figures.append({"name": f"{what}-beside-{other}", "ours": round(statistics.median(seconds["ours"]), 2),
                        "baseline": round(statistics.median(seconds[other]), 2), "unit": "s", "ratio": ratio, "goal": goal,
                        "met": ratio >= goal if goal else None})
        figures.append({"name": f"{what}-requests-beside-{other}", "ours": requests["ours"], "baseline": requests[other],
                        "unit": "requests", "ratio": round(requests[other] / requests["ours"], 2), "goal": None, "met": None})
    print(json.dumps({"bench": what, "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
