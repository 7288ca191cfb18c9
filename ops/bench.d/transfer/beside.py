"""ops/bench export and ops/bench import: our job, mlflow-export-import, and bare loops, in turn on the same servers.

usage: beside.py export|import PROGRAM DIRECTORY CONNINFO SOURCE_URL DESTINATION_URL DIRECT_URL DIRECT_SOURCE_URL PEER_BIN MODELS ROUNDS

Every model has two versions of 1 MB, the second in Production. Only those are wanted.

export: ours observes and exports into a fresh ledger and store, by one `sync` without a marketplace; the other tool runs `export-models --stages Production
--use-threads True`; the bare loop (loop.py) sends the very requests that ours sent, eight at a time over kept connections, and
hashes and writes what it is given.

import: ours imports what it exported, from a workspace of its own each round; the other tool imports what it exported into a
server that keeps artifacts on the importer's own disk, from one that does too, the only pair of which it imports anything; the bare loop sends
the requests that ours sends, with tags, filters and orders of the same kind, from files of its own. Each finds the registry
without models.

Each is a command, timed from its start to its end. What was written before lies on the disk when it begins.

Of a last one it is told, without a goal, what the fewest requests come to that make the copy: a loop that looks at nothing
before it makes it, neither finds what an earlier attempt left nor notices what went wrong, and keeps no record.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from program import Program, log_lines, logged_reads, measured
from rest import Registry, together

BYTES = 1_000_000
LOOP = Path(__file__).with_name("loop.py")
# mlflow-export-import and the fewest requests run in so many rounds at most: they are far from ours.
ROUNDS_OF_OTHERS = 3


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

    # The bare loops.

    def loop(self, what: str, registry: Registry, directory: Path, *arguments: object) -> float:
        os.sync()
        call = measured([sys.executable, str(LOOP), what, registry.url, str(directory), *map(str, arguments)])
        assert call.status == 0, call.errors[-2000:]
        return call.seconds

    def loop_export(self, what: str, name: str, *arguments: object) -> float:
        seconds = self.loop(what, self.source, self.root / name, *arguments)
        self.expect_files(self.root / name)
        return seconds

    def loop_import(self, what: str, name: str) -> float:
        directory = self.root / name
        directory.mkdir()
        for model in self.models:
            (directory / model).write_bytes(random.Random(model).randbytes(BYTES))
        seconds = self.loop(what, self.destination, directory, name)
        made = sum(len(model.get("latest_versions", [])) for model in self.destination.models())
        assert made == len(self.models), f"the loop made {made} of {len(self.models)}"
        return seconds

    def bare_export(self, name: str) -> float:
        paths = self.root / f"{name}.txt"
        paths.write_text("\n".join(self.asked))
        return self.loop_export("export", name, paths)

    def bare_import(self, name: str) -> float:
        return self.loop_import("import", name)

    def least_export(self, name: str) -> float:
        return self.loop_export("least-export", name)

    def least_import(self, name: str) -> float:
        return self.loop_import("least-import", name)


CONTENDERS = ("ours", "peer", "bare", "least")
TITLES = {"ours": "marketplace", "peer": "mlflow-export-import 1.2.0 --use-threads", "bare": "the same requests by 8 threads",
          "least": "the fewest requests by 8 threads"}
# Within the noise of the machine, so they run in every round.
CLOSE = ("ours", "bare")
# Those that ours has to be ahead of.
RIVALS = ("peer", "bare")


def in_turn(number: int) -> list[str]:
    """The contenders of a round, whoever was first of the last one last."""
    contenders = CONTENDERS if number < ROUNDS_OF_OTHERS else CLOSE
    # Ours is the first of all, and sends what the loop sends again.
    first = number % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def main(what: str, *arguments: str) -> None:
    models, rounds = int(arguments[8]), int(arguments[9])
    bench = Bench(*arguments[:8], models)
    bench.seed(bench.source)
    if what == "import":
        bench.seed(bench.direct_source)
    print(f"{models} models, two versions of {BYTES:,} bytes each, one of them in Production; MLflow 2.22, one worker; "
          f"{rounds} rounds in turn.", flush=True)
    # By round, so that those of one round are compared.
    seconds: dict[str, list[float]] = {each: [] for each in CONTENDERS}
    requests: dict[str, int] = {}
    for number in range(rounds):
        for contender in in_turn(number):
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
            print(f"  {contender:5} {taken:7.2f} s  {requests[contender]:6,} requests", flush=True)
            shutil.rmtree(bench.root / name, ignore_errors=True)
    if what == "import":
        requests["ours"] = bench.import_requests
    print(f"\n{'':42} median     a model  requests")
    for contender in CONTENDERS:
        median = statistics.median(seconds[contender])
        print(f"  {TITLES[contender]:38} {median:6.2f} s  {median / models:6.3f} s  {requests[contender]:8,}")
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
