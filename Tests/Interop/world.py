"""Makes the worlds the tests look at: seeds real registries, runs the built program over them, reads all of them back."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from compare import World

HERE = Path(__file__).resolve().parent
SEEDS = HERE.parent.parent / "ops" / "python"
SYNC_DEADLINE_S = 600
SEED_DEADLINE_S = 600


def needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: run these tests by ops/test")
    return value


@dataclass
class Registry:
    """One real registry, and the interpreter whose MLflow client is of its version."""

    id: str
    url: str
    python: str
    mlflow_workspace: str | None = None
    promoted: dict | None = None

    def run(self, script: Path, *arguments: str) -> str:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": self.url, "PYTHONPATH": str(SEEDS)}
        environment.pop("MLFLOW_WORKSPACE", None)
        if self.mlflow_workspace:
            environment["MLFLOW_WORKSPACE"] = self.mlflow_workspace
        done = subprocess.run(
            [self.python, str(script), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SEED_DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, f"{script.name} {arguments} at {self.id}: {done.stderr[-3000:]}"
        return done.stdout

    def seed(self, script: str, *arguments: str) -> str:
        return self.run(SEEDS / script, *arguments)

    def snapshot(self, directory: Path) -> dict:
        target = directory / f"snapshot-{self.id}-{secrets.token_hex(3)}.json"
        self.run(HERE / "snapshot.py", str(target))
        return json.loads(target.read_text())

    def create_mlflow_workspace(self) -> "Registry":
        code = f"import mlflow; mlflow.set_tracking_uri({self.url!r}); mlflow.create_workspace({self.mlflow_workspace!r})"
        subprocess.run([self.python, "-c", code], check=True, capture_output=True, timeout=SEED_DEADLINE_S)
        return self

    def entry(self) -> dict:
        entry: dict = {"id": self.id, "registry": self.url}
        if self.mlflow_workspace:
            entry["mlflow_workspace"] = self.mlflow_workspace
        if self.promoted:
            entry["promoted"] = self.promoted
        return entry


class Program:
    """The built program over one data directory, one storage and one marketplace registry."""

    def __init__(self, directory: Path, marketplace: Registry):
        self.binary = needed("MARKETPLACE_BIN")
        self.directory = directory
        self.marketplace = marketplace
        self.data = directory / "data"
        self.storage = directory / "storage"
        self.configuration = directory / "marketplace.yaml"
        self.calls = 0
        # A private PostgreSQL started by root runs as another user, who must be able to pass.
        for each in (directory, self.data):
            each.mkdir(exist_ok=True)
            each.chmod(0o711)
        self.storage.mkdir(exist_ok=True)

    def configure(self, sources: list[Registry]) -> None:
        target = self.marketplace.entry()
        target.pop("id")
        # JSON is YAML.
        self.configuration.write_text(
            json.dumps(
                {
                    "data": str(self.data),
                    "storage": f"file://{self.storage}",
                    "promoted": {"stages": ["Production"], "aliases": ["champion"]},
                    "workspaces": [source.entry() for source in sources],
                    "marketplace": {**target, "name": "{workspace}.{model}"},
                },
                indent=1,
            )
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        self.calls += 1
        done = subprocess.run(
            [self.binary, "--config", str(self.configuration), *arguments],
            capture_output=True,
            text=True,
            timeout=SYNC_DEADLINE_S,
            check=False,
        )
        log = self.directory / f"call-{self.calls:02}-{arguments[0]}.txt"
        log.write_text(f"{arguments}\nexit {done.returncode}\n--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}")
        return done

    def stop(self) -> None:
        """Stops the private PostgreSQL: by the program, else by pg_ctl as the owner of the data."""
        cluster = self.data / "postgres" / "data"
        if (cluster / "postmaster.pid").exists():
            self.run("database", "stop")
        if not (cluster / "postmaster.pid").exists():
            return
        stop_cluster = f'source "{SEEDS.parent}/lib/common.sh"; RUN_DIRECTORY="$1"; stop_cluster "$2"'
        (self.directory / "logs").mkdir(exist_ok=True)
        subprocess.run(["bash", "-euc", stop_cluster, "stop", str(self.directory), str(cluster)], check=True)


def run_directory() -> Path:
    parent = os.environ.get("MARKETPLACE_RUN_DIRECTORY")
    directory = Path(tempfile.mkdtemp(prefix="interop-", dir=parent))
    directory.chmod(0o711)
    return directory


def together(*work: Callable[[], object]) -> list:
    with ThreadPoolExecutor(len(work)) as pool:
        return [future.result() for future in [pool.submit(each) for each in work]]


def read(program: Program, sources: list[Registry], runs: list[subprocess.CompletedProcess]) -> World:
    snapshots = together(*[lambda each=each: each.snapshot(program.directory) for each in [*sources, program.marketplace]])
    return World(
        sources={source.id: snapshot for source, snapshot in zip(sources, snapshots, strict=False)},
        marketplace=snapshots[-1],
        storage=program.storage,
        exits=[run.returncode for run in runs],
        outputs=[run.stdout + run.stderr for run in runs],
    )


class Theatre:
    """Registries and a program for one session of tests."""

    def __init__(self) -> None:
        tag = secrets.token_hex(3)
        python3, python2 = needed("MARKETPLACE_PYTHON3"), needed("MARKETPLACE_PYTHON2")
        url3 = needed("MLFLOW3_URL")
        url2 = os.environ.get("MLFLOW2_INTEROP_URL") or needed("MLFLOW2_URL")
        self.directory = run_directory()
        self.dev01 = Registry("dev01", url3, python3, f"interop-a-{tag}").create_mlflow_workspace()
        self.dev02 = Registry("dev02", url2, python2, promoted={"aliases": ["production"]})
        self.dev03 = Registry("dev03", url3, python3, f"interop-b-{tag}").create_mlflow_workspace()
        # The same server once more, read by stages: what the demo promotes by alias is not promoted here.
        self.dev04 = Registry("dev04", url2, python2, promoted={"stages": ["Production"], "aliases": []})
        target = Registry("marketplace", url3, python3, f"interop-m-{tag}").create_mlflow_workspace()
        self.program = Program(self.directory, target)

    def demo(self) -> World:
        """The story of ops/demo: first run, nothing to do, followed changes, one put back."""
        sources = [self.dev01, self.dev02]
        together(
            lambda: self.dev01.seed("seed_demo.py", "dev01"),
            lambda: self.dev02.seed("seed_demo.py", "dev02"),
        )
        self.program.configure(sources)
        runs = [self.program.run("sync"), self.program.run("sync")]
        self.dev01.seed("change_demo.py", "dev01")
        self.dev02.seed("change_demo.py", "dev02")
        runs.append(self.program.run("sync"))
        self.dev01.seed("change_demo.py", "restore")
        runs.append(self.program.run("sync"))
        return read(self.program, sources, runs)

    def hard(self) -> World:
        """The hard cases beside what is there already, on both versions of MLflow; the second run changes nothing."""
        sources = [self.dev01, self.dev02, self.dev03, self.dev04]
        together(lambda: self.dev03.seed("seeds.py", "all"), lambda: self.dev04.seed("seeds.py", "all"))
        self.program.configure(sources)
        return read(self.program, sources, [self.program.run("sync"), self.program.run("sync")])

    def stop(self) -> None:
        self.program.stop()
        if not os.environ.get("MARKETPLACE_RUN_DIRECTORY"):
            shutil.rmtree(self.directory)
