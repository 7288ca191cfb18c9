"""The service over the history of a hospital, for those who attack it."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from database import Cluster
from wire import Connection

ORIGIN = "faults.example/log"
DEADLINE_S = 60
HISTORY = Path(__file__).resolve().parents[3] / "Tests/CatalogTests/Resources/hospital-history.sql"
# A principal of its own type, as a batch job has it.
PRINCIPAL = "acme_nightly"
TYPE = "acme.Evaluated"
ROLE = "marketplace_service"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)


class Service:
    """A database, with the history in it unless told otherwise, and the program that serves it."""

    def __init__(self, binary: str, folder: Path, cluster: Cluster, name: str = "served", history: bool = True, **serve):
        self.binary, self.folder, self.name, self.cluster = binary, folder, name, cluster
        folder.mkdir(parents=True, exist_ok=True)
        cluster.admin.run(f"create database {name} template template0")
        self.conninfo = cluster.conninfo(name)
        key = folder / "log.key"
        self.run("audit", "keygen", ORIGIN, str(key), configured=False)
        self.configuration, self.served = folder / "marketplace.yaml", folder / "serve.yaml"
        self.settings = {"database": self.conninfo, "storage": f"file://{folder}/storage", "workspaces": [],
                         "audit": {"origin": ORIGIN, "signing_keys": [str(key)]},
                         "serve": {"listen": "127.0.0.1:0", "publish_seconds": 1, **serve}}
        self.configuration.write_text(json.dumps(self.settings))
        self.run("migrate")
        if history:
            subprocess.run(["psql", self.conninfo, "-qAt", "-v", "ON_ERROR_STOP=1", "-f", str(HISTORY)], check=True,
                           stdout=subprocess.DEVNULL)
        owner = Connection(self.conninfo)
        owner.run(f"select ledger.register_event_type('{TYPE}', 1::smallint, 'A model was evaluated.')")
        owner.run(f"select ledger.grant_append('{PRINCIPAL}', '*', 'acme.')")
        # It is served by a role that has what the documentation says it needs, and nothing else.
        owner.run(f"create role {ROLE} login in role ledger_auditor, ledger_sealer, ledger_service, marketplace_analyst")
        self.settings["database"] = cluster.conninfo(name, ROLE)
        self.process: subprocess.Popen | None = None

    def run(self, *arguments: str, configured: bool = True) -> str:
        place = ["--config", str(self.configuration)] if configured else []
        done = subprocess.run([self.binary, *place, *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout.strip()

    def token(self, *scopes: str, workspaces: tuple[str, ...] = ("*",), principal: str = PRINCIPAL) -> str:
        options = [word for scope in scopes for word in ("--scope", scope)]
        options += [word for workspace in workspaces for word in ("--workspace", workspace)]
        return self.run("token", "create", "a fault test", "--principal", principal, *options, "--quiet")

    def start(self) -> None:
        """Starts it, on the port it had before if there was one, and waits until it is ready."""
        log = self.folder / "serve.log"
        offset = log.stat().st_size if log.exists() else 0
        self.served.write_text(json.dumps(self.settings))
        with log.open("a") as file:
            self.process = subprocess.Popen([self.binary, "--config", str(self.served), "serve"], stdout=file, stderr=file)

        def said() -> str | None:
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended with {self.process.returncode}: {log.read_text()[offset:][-2000:]}")
            return log.read_text()[offset:].partition("http://127.0.0.1:")[2].partition("/models")[0] or None

        self.port = int(until(said))
        self.settings["serve"]["listen"] = f"127.0.0.1:{self.port}"
        until(lambda: self.get("/readyz").status == 200)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def memory(self) -> int:
        """Bytes of memory that the process has had at most."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, token: str | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("GET", path, {"Accept": "application/json", **named, **bearer(token)})

    def append(self, workspace: str, event: dict, token: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("POST", f"/v1/workspaces/{workspace}/events",
                         {"Content-Type": "application/json", **named, **bearer(token)}, json.dumps(event).encode())


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def until(condition, seconds: float = DEADLINE_S):
    """Waits for a condition; what it gave."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = condition()
        except (ConnectionError, http.client.HTTPException):
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {condition}")
        time.sleep(0.01)


def close(faults: str, figures: list[dict]) -> None:
    """The closing line of a fault test."""
    print(json.dumps({"faults": faults, "figures": figures}))
