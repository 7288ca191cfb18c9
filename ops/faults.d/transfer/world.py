"""A small world to do harm to: a source and a marketplace workspace on real MLflow servers, a database, a store.

Each world has its own of all four, so one that a fault left in doubt can be left behind and looked at later.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from program import Program
from rest import Registry, create_workspaces
from wires import Board, BucketProxy, HTTPProxy, PostgresProxy

RUN_DEADLINE_S = 180
POLL_PAUSE_S = 0.002
SMALL_FILE_BYTES = 20_000
LARGE_FILE_BYTES = 600_000
# Five parts of 8 MiB. No note is kept of files below 32 MiB, which do not come in ranges.
LARGE_FILE_BYTES_IN_BUCKET = (32 << 20) + LARGE_FILE_BYTES
BUCKET = "exports"
TARGET = "marketplace"
WORKSPACE = "dev01"


def wait_until(condition: Callable[[], bool], deadline_s: float, what: str) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        threading.Event().wait(POLL_PAUSE_S)


@dataclass
class Place:
    """What all worlds share: servers, the proxies in front of them, and the program."""

    binary: str
    root: Path
    cluster: str
    source_url: str
    market_url: str
    # Over TCP the program notices a server that is gone by the time-outs of its connection string.
    database_over_tcp: bool = False
    # rclone's S3 for the exports; without it they lie in a folder.
    s3_url: str | None = None

    def __post_init__(self) -> None:
        self.board = Board()
        self.source = HTTPProxy(self.board, "source", self.source_url)
        self.market = HTTPProxy(self.board, "marketplace", self.market_url)
        self.database = PostgresProxy(self.board, "database", None if self.database_over_tcp else self.root / "proxy", self.cluster)
        self.storage = BucketProxy(self.board, "storage", self.s3_url) if self.s3_url else None
        self.worlds = 0
        self.is_migrated = False

    def psql(self, database: str, sql: str) -> str:
        arguments = ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.cluster, "-U", "postgres", "-d", database]
        return subprocess.run([*arguments, "-c", sql], check=True, capture_output=True, text=True).stdout.strip()

    def fresh_database(self, name: str) -> None:
        """A database with the schema; it is migrated once and copied from then on."""
        if not self.is_migrated:
            self.psql("postgres", "create database migrated")
            Program(self.binary, self.root / "migrating", {"database": self.conninfo("migrated", proxied=False)}).run("migrate")
            self.is_migrated = True
        self.psql("postgres", f"create database {name} template migrated")

    def conninfo(self, database: str, proxied: bool = True) -> str:
        return f"{self.database.address if proxied else f'host={self.cluster}'} user=postgres dbname={database}"


@dataclass
class Ended:
    """A run of the program that has ended."""

    status: int
    report: dict
    errors: str

    @property
    def is_busy(self) -> bool:
        return any(item["action"] == "busy" for workspace in self.report.get("workspaces", []) for item in workspace["items"])

    def items(self, action: str) -> int:
        return sum(item["action"] == action for workspace in self.report.get("workspaces", []) for item in workspace["items"])


class Run:
    """The program, running."""

    def __init__(self, command: list[str], directory: Path, name: str, environment: dict | None = None):
        directory.mkdir(parents=True, exist_ok=True)
        self.out, self.err = directory / f"{name}.json", directory / f"{name}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(environment or {})})

    def kill(self) -> None:
        self.process.kill()

    def wait(self, deadline_s: float = RUN_DEADLINE_S) -> Ended:
        try:
            status = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise TimeoutError(f"it did not end within {deadline_s} s: {self.err}") from None
        text = self.out.read_text()
        return Ended(status, json.loads(text) if text.startswith("{") else {}, self.err.read_text())


class World:
    """One source workspace and everything that becomes of it."""

    def __init__(self, place: Place, storage: Path | None = None):
        self.place = place
        place.worlds += 1
        self.name = f"w{place.worlds}"
        self.directory = place.root / "worlds" / self.name
        if place.storage:
            # rclone keeps a bucket as a folder.
            storage = place.root / "s3" / "rclone" / BUCKET
        self.storage = (storage or self.directory) / (self.name if storage else "storage")
        self.storage.mkdir(parents=True, exist_ok=True)
        # Where exports lie, in the words of events.
        self.location = f"s3://{BUCKET}/{self.name}" if place.storage else f"file://{self.storage}"
        create_workspaces(place.source_url, [f"src-{self.name}"])
        create_workspaces(place.market_url, [f"mkt-{self.name}"])
        self.source = Registry(place.source_url, f"src-{self.name}")
        self.market = Registry(place.market_url, f"mkt-{self.name}")
        place.fresh_database(self.name)
        self.runs = itertools.count(1)
        self.changes = 0
        self.program = Program(place.binary, self.directory, {
            "database": place.conninfo(self.name),
            "data": str(self.directory / "data"),
            "storage": {"url": self.location, "endpoint": place.storage.url} if place.storage else self.location,
            "promoted": {"stages": ["Production"], "aliases": ["champion"]},
            "workspaces": [{"id": WORKSPACE, "registry": place.source.url, "mlflow_workspace": f"src-{self.name}", "tag_source": True}],
            "marketplace": {"registry": place.market.url, "mlflow_workspace": f"mkt-{self.name}", "name": "{workspace}.{model}"},
        })

    @property
    def folders(self) -> list[Path]:
        """What lies on this disk for this world alone, the artifacts of its workspaces too: large files add up."""
        artifacts = [self.place.root / server / "artifacts" / "workspaces" / workspace
                     for server, workspace in (("source", self.source.workspace), ("marketplace", self.market.workspace))]
        return [self.directory, self.storage, *artifacts]

    # Running the program.

    def start(self, *arguments: str, environment: dict | None = None) -> Run:
        command = self.program.command(*arguments, "--output", "json")
        return Run(command, self.directory / "runs", f"{next(self.runs):03}-{arguments[0]}", environment)

    def start_text(self, *arguments: str) -> Run:
        """As a person calls it."""
        return Run(self.program.command(*arguments), self.directory / "runs", f"{next(self.runs):03}-{arguments[0]}-text")

    def run(self, *arguments: str) -> Ended:
        return self.start(*arguments).wait()

    def folder(self, uri: str) -> Path:
        """Where an export lies on this disk, in a bucket too: what is done and read here goes past every server."""
        return self.storage / uri.removeprefix(f"{self.location}/")

    def psql(self, sql: str) -> str:
        return self.place.psql(self.name, sql)

    def rows(self, sql: str) -> list[dict]:
        return json.loads(self.psql(f"select coalesce(json_agg(found), '[]') from ({sql}) found"))

    # Work for it.

    def seed(self) -> None:
        """The models that every change then works on."""
        self.experiment = self.source.experiment("study")
        for model in ("fresh", "rolled", "shelved", "deleted", "rotten", "drifted", "dropped"):
            self.source.post("registered-models/create", name=model, description=f"{model} of {self.name}")
        for model in ("fresh", "shelved", "deleted", "rotten", "drifted", "dropped"):
            self.promote(model)
        for _ in range(2):
            self.promote("rolled", stage=None)
        self.source.post("registered-models/alias", name="rolled", alias="champion", version="1")

    def settle(self) -> None:
        """The first syncs, which bring them over, both versions of the one that is rolled back later."""
        self.expect_done(self.run("sync"))
        self.source.post("registered-models/alias", name="rolled", alias="champion", version="2")
        self.expect_done(self.run("sync"))

    @staticmethod
    def expect_done(ended: Ended) -> None:
        if ended.status != 0:
            raise RuntimeError(f"a sync without a fault ended with {ended.status}: {ended.errors[-2000:]} {ended.report}")

    def promote(self, model: str, stage: str | None = "Production", size: int = SMALL_FILE_BYTES) -> str:
        version = self.source.add_version(model, self.experiment, os.urandom(size), None)
        if stage:
            self.source.post("model-versions/transition-stage", name=model, version=version, stage=stage,
                             archive_existing_versions=True)
        return version

    def change(self) -> None:
        """Something for every step of export, import and follow to do."""
        self.changes += 1
        name = f"new {self.changes}"
        self.source.post("registered-models/create", name=name, description="new")
        experiment = self.source.experiment(f"study {self.changes}")
        version = self.source.add_version(name, experiment, os.urandom(SMALL_FILE_BYTES), None)
        self.source.post("registered-models/set-tag", name=name, key="owner", value="ward 3")
        self.source.post("model-versions/transition-stage", name=name, version=version, stage="Production",
                         archive_existing_versions=False)
        # Of another size each time: one of the same size is first compared with the last, which is a way without notes.
        self.promote("fresh", size=LARGE_FILE_BYTES_IN_BUCKET + self.changes if self.place.storage else LARGE_FILE_BYTES)
        self.roll_back()
        self.shelve()
        self.drop()
        self.delete_by_hand("deleted")
        self.rot("rotten")
        self.drift()

    def roll_back(self) -> None:
        version = str(1 + self.changes % 2)
        self.source.post("registered-models/alias", name="rolled", alias="champion", version=version)

    def shelve(self) -> None:
        stage = "Archived" if self.changes % 2 else "Production"
        self.source.post("model-versions/transition-stage", name="shelved", version="1", stage=stage,
                         archive_existing_versions=False)

    def drop(self) -> None:
        """The promoted version deleted at the source, or another registered."""
        found = [each for each in versions(self.source, "dropped") if each["current_stage"] == "Production"]
        if not found:
            self.promote("dropped")
        for each in found:
            self.source.call("DELETE", "model-versions/delete", {"name": "dropped", "version": each["version"]})

    def delete_by_hand(self, model: str) -> None:
        """Somebody deletes the promoted version in the marketplace."""
        name = f"{WORKSPACE}.{model}"
        for each in versions(self.market, name):
            self.market.call("DELETE", "model-versions/delete", {"name": name, "version": each["version"]})

    def rot(self, model: str) -> None:
        """A byte of the live export flips, and the version has to be imported again from it: what the first import left
        in the marketplace lacks that file."""
        for each in versions(self.market, f"{WORKSPACE}.{model}"):
            root = self.market.get("runs/get", run_id=each["run_id"])["run"]["info"]["artifact_uri"]
            path = quote(f"{root.removeprefix('mlflow-artifacts:').lstrip('/')}/model/model.pkl")
            self.market.request("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{path}")
        self.delete_by_hand(model)
        uri = self.psql(f"""select data::json ->> 'uri' from ledger.events where type = 'ModelExported'
                        and data::json ->> 'name' = '{model}' order by sequence desc limit 1""")
        file = next(each for each in self.folder(uri).rglob("model.pkl"))
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    def drift(self) -> None:
        """Somebody changes the marketplace's promotion by hand."""
        name = f"{WORKSPACE}.drifted"
        for each in versions(self.market, name):
            if each["current_stage"] == "Production":
                self.market.post("model-versions/transition-stage", name=name, version=each["version"], stage="Staging",
                                 archive_existing_versions=False)


def versions(registry: Registry, name: str | None = None) -> list[dict]:
    """Every version, or those of a model; whole, whatever the page size."""
    found, token = [], ""
    quoted = (name or "").replace("'", "''")
    while True:
        query = {"max_results": 1000, **({"filter": f"name='{quoted}'"} if name else {}), **({"page_token": token} if token else {})}
        page = registry.get("model-versions/search", **query)
        found += page.get("model_versions", [])
        token = page.get("next_page_token", "")
        if not token:
            return found
