"""`marketplace serve` as people and programs meet it: what it shows loads, what it says is proven, and it ends when told to."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif("MARKETPLACE_SCENARIO" in os.environ, reason="only on the world made here")

DEADLINE_S = 60
ORIGIN = "interop.example/log"
VERIFY = Path(__file__).resolve().parents[2] / "ops" / "audit" / "verify.py"


class Service:
    """The program, serving the world of the demonstration, with a log of its own that it publishes each second."""

    def __init__(self, program):
        self.program = program
        key = program.directory / "log.key"
        self.key = program.run("audit", "keygen", ORIGIN, str(key)).stdout.strip()
        settings = json.loads(program.configuration.read_text())
        settings["audit"] = {"origin": ORIGIN, "folder": "served-log", "signing_keys": [str(key)]}
        settings["serve"] = {"listen": "127.0.0.1:0", "publish_seconds": 1}
        self.configuration = program.directory / "serve.yaml"
        self.configuration.write_text(json.dumps(settings))
        self.start()

    def start(self) -> None:
        self.log = (self.program.directory / "serve.log").open("w+")
        self.process = subprocess.Popen(
            [self.program.binary, "--config", str(self.configuration), "serve"], stderr=self.log, stdout=self.log
        )
        self.url = self.until(self.listening)

    def listening(self) -> str | None:
        assert self.process.poll() is None, self.said()
        words = self.said().partition("serving ")[2].partition("/models")
        return words[0] if words[1] else None

    def said(self) -> str:
        return Path(self.log.name).read_text()

    @staticmethod
    def until(condition):
        end = time.monotonic() + DEADLINE_S
        while not (found := condition()):
            assert time.monotonic() < end, f"not within {DEADLINE_S} s: {condition}"
        return found

    def get(self, path: str, accept: str = "application/json") -> tuple[int, str]:
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def json(self, path: str) -> dict:
        status, text = self.get(path)
        assert status == 200, text
        return json.loads(text)


@pytest.fixture(scope="module")
def service(theatre, demo):
    running = Service(theatre.program)
    yield running
    running.process.kill()
    running.process.wait()


def test_what_it_shows_is_what_the_catalog_holds(service, theatre):
    listed = json.loads(theatre.program.run("catalog", "list", "--output", "json").stdout)["models"]
    shown = service.json("/models")
    assert shown["total"] == len(listed)
    found = service.json("/models?q=readmision")["models"]
    assert "dev01.readmission-risk" in [model["marketplace_name"] for model in found]
    status, page = service.get("/models/dev01.readmission-risk", "text/html")
    assert status == 200 and "<h1>dev01.readmission-risk</h1>" in page


def test_the_snippet_loads_the_model_and_nothing_else(service, theatre):
    model = service.json("/models/dev01.readmission-risk")
    assert {file["path"].rpartition("/")[2] for file in model["files"]} >= {"MLmodel", "model.pkl"} or model["files"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}

    def run(snippet: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [theatre.program.marketplace.python, "-c", snippet + "\nprint(type(model).__name__)"],
            env=environment, cwd=theatre.directory, capture_output=True, text=True, timeout=DEADLINE_S * 5, check=False,
        )

    done = run(model["snippet"])
    assert done.returncode == 0 and done.stdout.strip() == "PyFuncModel", done.stderr[-2000:]
    digest = model["entry"]["model_sha256"]
    other = run(model["snippet"].replace(digest, digest[::-1]))
    assert other.returncode == 1 and "AssertionError" in other.stderr


def test_it_seals_and_publishes_what_nobody_else_does(service, theatre, tmp_path):
    # Without `audit` a job seals and publishes nothing.
    assert theatre.program.run("sync").returncode in (0, 3)

    def published() -> int:
        status, text = service.get("/v1/audit/checkpoint")
        return int(text.split("\n")[1]) if status == 200 else 0

    last = json.loads(theatre.program.run("status", "--output", "json").stdout)["events"]
    service.until(lambda: published() >= last)
    status, text = service.get(f"/v1/audit/proofs/{last}")
    assert status == 200, text
    proof = tmp_path / "proof.json"
    proof.write_text(text)
    done = subprocess.run(
        [theatre.program.marketplace.python, "-B", str(VERIFY), str(proof), service.key], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and f"position {last} of the log" in done.stdout, done.stdout + done.stderr
    metrics = service.get("/metrics")[1]
    assert "marketplace_log_integrity 1\n" in metrics and "marketplace_log_sealing 1\n" in metrics


def test_it_ends_when_it_is_told_to_and_says_nothing_that_is_no_line_of_json(service):
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(DEADLINE_S) == 0, service.said()
    lines = [line for line in service.said().splitlines() if line and not line.startswith("  serving ")]
    assert lines and all(json.loads(line)["level"] for line in lines)
