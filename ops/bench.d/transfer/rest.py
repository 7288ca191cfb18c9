"""A registry as a measurement fills and asks it: plain REST over kept connections, nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REQUEST_DEADLINE_S = 120
SEEDERS = 8
MLMODEL = """artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.2}
  sklearn: {code: null, pickled_model: model.pkl, serialization_format: cloudpickle}
mlflow_version: 2.22.5
utc_time_created: '2026-01-01 00:00:00.000000'
"""


def logged(now: int) -> dict[str, list]:
    """What a run has logged."""
    metrics = [{"key": "loss", "value": 1 / (step + 1), "timestamp": now + step, "step": step} for step in range(20)]
    return {"metrics": metrics, "params": [{"key": f"param {n}", "value": str(n)} for n in range(5)]}


class Registry:
    """One MLflow server, or one workspace of it."""

    def __init__(self, url: str, workspace: str | None = None):
        self.url = url
        self.host = urllib.parse.urlsplit(url).netloc
        self.workspace = workspace
        self.threads = threading.local()

    def request(self, method: str, path: str, body: bytes | None = None, content: str = "application/json") -> bytes:
        """The body of a good answer; a kept connection that the server closed in the meantime is opened again."""
        headers = {"Content-Type": content} if body is not None else {}
        if self.workspace:
            headers["X-MLFLOW-WORKSPACE"] = self.workspace
        for attempt in range(3):
            connection = getattr(self.threads, "connection", None)
            if connection is None:
                connection = self.threads.connection = http.client.HTTPConnection(self.host, timeout=REQUEST_DEADLINE_S)
            try:
                connection.request(method, path, body=body, headers=headers)
                answer = connection.getresponse()
                text = answer.read()
                break
            except (ConnectionError, http.client.HTTPException):
                connection.close()
                self.threads.connection = None
                if attempt == 2:
                    raise
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return text

    def call(self, method: str, path: str, body: dict | None = None) -> dict:
        data = None if body is None else json.dumps(body).encode()
        return json.loads(self.request(method, "/api/2.0/mlflow/" + path, data) or b"{}")

    def post(self, path: str, **body: object) -> dict:
        return self.call("POST", path, body)

    def get(self, path: str, **query: object) -> dict:
        return self.call("GET", f"{path}?{urllib.parse.urlencode(query, doseq=True)}")

    def put_file(self, artifact_uri: str, path: str, data: bytes) -> None:
        """Through the server, or on this disk where the server keeps its artifacts there."""
        if artifact_uri.startswith("/"):
            target = Path(artifact_uri) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            return
        root = artifact_uri.removeprefix("mlflow-artifacts:").lstrip("/")
        quoted = urllib.parse.quote(f"{root}/{path}")
        self.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{quoted}", data, "application/octet-stream")

    def experiment(self, name: str, tags: list[dict] | None = None) -> str:
        return self.post("experiments/create", name=name, tags=tags or [])["experiment_id"]

    def add_version(self, model: str, experiment: str, data: bytes, stage: str | None) -> str:
        """One version with a run of its own: some metrics, parameters, tags and files. Returns its number."""
        now = int(time.time() * 1000)
        tags = [{"key": "mlflow.runName", "value": f"{model} run"}, {"key": "cohort", "value": "2025-H2"}]
        run = self.post("runs/create", experiment_id=experiment, start_time=now, user_id="bench", tags=tags)["run"]["info"]
        self.post("runs/log-batch", run_id=run["run_id"], **logged(now))
        self.put_file(run["artifact_uri"], "model/MLmodel", MLMODEL.encode())
        self.put_file(run["artifact_uri"], "model/model.pkl", data)
        self.post("runs/update", run_id=run["run_id"], status="FINISHED", end_time=now + 1000)
        source = f"{run['artifact_uri']}/model"
        made = self.post("model-versions/create", name=model, source=source, run_id=run["run_id"])["model_version"]
        if stage:
            self.post("model-versions/transition-stage", name=model, version=made["version"], stage=stage,
                      archive_existing_versions=False)
        return made["version"]

    def models(self) -> list[dict]:
        found, token = [], ""
        while True:
            page = self.get("registered-models/search", max_results=1000, **({"page_token": token} if token else {}))
            found += page.get("registered_models", [])
            token = page.get("next_page_token", "")
            if not token:
                return found


def together(work: list, threads: int = SEEDERS) -> list:
    """Calls every function, some side by side, and returns what they return."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda each: each(), work))


def create_workspaces(url: str, names: list[str]) -> None:
    server = Registry(url)
    for name in names:
        server.request("POST", "/api/3.0/mlflow/workspaces", json.dumps({"name": name}).encode())


def seed(registry: Registry, models: int, file_bytes: int) -> None:
    """Models with one version in Production each; the same bytes in every run."""
    experiment = registry.experiment("study")
    generator = random.Random(registry.workspace)
    for number in range(models):
        name = f"model {number:02}"
        registry.post("registered-models/create", name=name, description=f"{name} of {registry.workspace}")
        registry.add_version(name, experiment, generator.randbytes(file_bytes), "Production")
