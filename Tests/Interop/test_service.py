"""`marketplace serve` as people and programs meet it: what it shows loads, what it says is proven, and it ends when told to."""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from world import needed

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
        self.secret = program.directory / "webhook.secret"
        self.secret.write_text(f"{secrets.token_hex(16)}\n")
        settings["workspaces"][0]["webhook_secret_file"] = str(self.secret)
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
    assert other.returncode == 1 and "These are not the files that were promoted." in other.stderr


def test_people_find_their_way_in_a_browser(service, theatre):
    token = theatre.program.run(
        "token", "create", "journeys", "--principal", "nobody", "--scope", "events:read", "--workspace", "dev01", "--quiet"
    ).stdout.strip()

    def registered() -> list[dict]:
        request = urllib.request.Request(
            f"{service.url}/v1/events?type=ModelVersionRegistered&limit=1000", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            return [each for each in json.load(answer)["events"] if each["data"]["name"] == "readmission-risk"]

    service.until(lambda: len(registered()) >= 2)
    last = service.json("/audit")["last_position"]
    pictures = theatre.directory / "pictures"
    done = subprocess.run(
        [needed("MARKETPLACE_PYTHON_BROWSER"), "-B", str(Path(__file__).with_name("journeys.py")), shutil.which("chromium") or "chromium",
         service.url, "dev01.readmission-risk", str(registered()[1]["position"]), str(last), str(pictures)], capture_output=True, text=True, timeout=DEADLINE_S * 10, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout)
    assert not made["failures"], f"{json.dumps(made['failures'], indent=1)}\npictures: {pictures}"
    assert made["pages"] == len(list(pictures.iterdir())) == 4 * 16
    # What lay in the clipboard is what the test above runs.
    assert made["snippet"] == service.json("/models/dev01.readmission-risk")["snippet"]


def test_it_seals_and_publishes_what_nobody_else_does(service, theatre, tmp_path):
    # Without `audit` a job seals and publishes nothing.
    assert theatre.program.run("sync").returncode in (0, 3)

    def published() -> int:
        status, text = service.get("/v1/audit/checkpoint")
        return int(text.split("\n")[1]) if status == 200 else 0

    service.until(lambda: published() > 0)
    earlier = published()
    # An event of the marketplace itself, so that there is something to publish after what was.
    theatre.program.run("token", "create", "published", "--principal", "a", "--scope", "events:read", "--workspace", "dev01")
    listed = json.loads(theatre.program.run("token", "list", "--output", "json").stdout)["tokens"]
    assert any(token["name"] == "published" and token["principal"] == "a" for token in listed), listed
    last = json.loads(theatre.program.run("status", "--output", "json").stdout)["events"]
    service.until(lambda: published() >= last)

    def verified(path: str) -> str:
        """What verify.py says of a proof."""
        status, text = service.get(path)
        assert status == 200, text
        proof = tmp_path / "proof.json"
        proof.write_text(text)
        done = subprocess.run(
            [theatre.program.marketplace.python, "-B", str(VERIFY), str(proof), service.key], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert f"begins with that of {earlier}" in verified(f"/v1/audit/consistency/{earlier}/{published()}")
    assert f"position {last} of the log" in verified(f"/v1/audit/proofs/{last}")
    metrics = service.get("/metrics")[1]
    assert "marketplace_log_integrity 1\n" in metrics and "marketplace_log_sealing 1\n" in metrics


WEBHOOK = """
import sys
import mlflow

client = mlflow.MlflowClient()
hook = client.create_webhook("marketplace", sys.argv[1], events=["model_version_alias.created"], secret=sys.argv[2])
client.set_registered_model_alias("readmission-risk", "looked-at", "1")
client.delete_registered_model_alias("readmission-risk", "looked-at")
print(hook.webhook_id)
"""
NO_WEBHOOK = "import sys, mlflow; mlflow.MlflowClient().delete_webhook(sys.argv[1])"


def test_a_webhook_of_mlflow_has_its_registry_read(service, theatre, tmp_path):
    def seen() -> str:
        [found] = [each for each in service.json("/workspaces")["workspaces"] if each["workspace"] == theatre.dev01.id]
        return found["observed_to"]

    def counted(name: str) -> int:
        return int(service.get("/metrics")[1].partition(f"\n{name} ")[2].split("\n")[0])

    before, script = seen(), tmp_path / "webhook.py"
    script.write_text(WEBHOOK)
    address = f"{service.url}/v1/workspaces/{theatre.dev01.id}/webhook"
    secret = service.secret.read_text().strip()
    hook = theatre.dev01.run(script, address, secret).strip()
    service.until(lambda: counted("marketplace_webhook_readings_total") > 0 and seen() > before)
    script.write_text(NO_WEBHOOK)
    theatre.dev01.run(script, hook)
    assert counted("marketplace_webhook_readings_failed_total") == 0

    def deliver(secret: str) -> tuple[int, dict]:
        sent = f"again.{int(time.time())}.".encode()
        signature = base64.b64encode(hmac.new(secret.encode(), sent + b"{}", hashlib.sha256).digest()).decode()
        headers = {"X-MLflow-Delivery-Id": "again", "X-MLflow-Timestamp": sent.split(b".")[1].decode(), "X-MLflow-Signature": f"v1,{signature}"}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, b"{}", headers), timeout=DEADLINE_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    # A delivery is taken once, and one that is signed with another secret not at all.
    assert deliver(secret) == (202, {"schema": "marketplace.webhook/1", "workspace": "dev01", "replayed": False})
    hints = counted("marketplace_webhook_hints_total")
    assert deliver(secret)[1]["replayed"] is True
    assert deliver(secret[::-1])[1]["code"] == "bad_signature"
    assert counted("marketplace_webhook_hints_total") == hints


def test_tls_shows_who_it_is_and_asks_who_comes(theatre, service, tmp_path):
    def certificate(name: str) -> tuple[str, str]:
        key, file = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(file)],
            check=True, capture_output=True,
        )
        return str(file), str(key)

    own, client, other = certificate("server"), certificate("client"), certificate("other")
    settings = json.loads(service.configuration.read_text())
    settings["serve"]["tls"] = {"certificate": own[0], "key": own[1], "client_authorities": client[0]}
    configuration = tmp_path / "tls.yaml"
    configuration.write_text(json.dumps(settings))
    log = (tmp_path / "serve.log").open("w+")
    process = subprocess.Popen([theatre.program.binary, "--config", str(configuration), "serve"], stderr=log, stdout=log)
    try:
        def listening() -> str | None:
            assert process.poll() is None, Path(log.name).read_text()
            words = Path(log.name).read_text().partition("serving ")[2].partition("/models")
            return words[0] if words[1] else None

        url = Service.until(listening)
        assert url.startswith("https://127.0.0.1:")

        def get(shown: tuple[str, str] | None) -> int:
            context = ssl.create_default_context(cafile=own[0])
            if shown:
                context.load_cert_chain(*shown)
            with urllib.request.urlopen(f"{url}/livez", timeout=DEADLINE_S, context=context) as answer:
                return answer.status

        assert get(client) == 200
        for shown in (None, other):
            with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
                get(shown)
        with pytest.raises((urllib.error.URLError, ConnectionError, OSError)):
            urllib.request.urlopen(url.replace("https", "http") + "/livez", timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()


def test_it_ends_when_it_is_told_to_and_says_nothing_that_is_no_line_of_json(service, theatre):
    token = theatre.program.run("token", "create", "follows", "--principal", "a", "--scope", "events:read", "--workspace", "*").stdout.strip()
    request = urllib.request.Request(
        f"{service.url}/v1/events?cursor=latest", headers={"Accept": "text/event-stream", "Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as stream:
        assert stream.readline().startswith(b"retry:")
        service.process.send_signal(signal.SIGTERM)
        # Whoever follows is told that it is over: a stream that is cut would be an error here.
        stream.read()
        assert service.process.wait(DEADLINE_S) == 0, service.said()
    lines = [json.loads(line) for line in service.said().splitlines() if line and not line.startswith("  serving ")]
    assert lines and all(line["level"] for line in lines)
    # Each request belongs to a trace: its own, where whoever asked named none.
    asked = [line for line in lines if line["message"] == "request"]
    assert asked and all(re.fullmatch("[0-9a-f]{32}", line["trace"]) for line in asked), asked[:3]
    assert len({line["trace"] for line in asked}) > 1
