"""Everything a registry says about its models, read through MLflow's own Python client: snapshot.py OUTPUT.json.

The registry comes from MLFLOW_TRACKING_URI and MLFLOW_WORKSPACE. It runs with the client of the server's own version, so
that a source is read as its owners read it. Numbers are kept as text: JSON has no NaN.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# A missing file is a 500 on an MLflow 2 server, which the client would ask for again for minutes.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
warnings.filterwarnings("ignore")

import mlflow
import numpy
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_breast_cancer, load_diabetes

logging.getLogger("mlflow").setLevel(logging.ERROR)

PAGE_SIZE = 100
# Enough rows, from all over the table, that both classes are among them.
ROW_STRIDE = 15
# Written beside the model by the client itself when it downloads one by its registered name.
CLIENT_MADE_FILES = {"registered_model_meta"}
# What a `models:/name/version` address can carry without meaning something else.
ADDRESSABLE = re.compile(r"[^#?%/:\\]+")


def pages(search, **arguments):
    token = None
    while True:
        page = search(max_results=PAGE_SIZE, page_token=token, **arguments)
        yield from page
        token = page.token
        if not token:
            return


def digests(root: str) -> dict:
    found = {}
    for path in sorted(Path(root).rglob("*")):
        if path.is_file() and path.name not in CLIENT_MADE_FILES:
            found[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def download(uri: str) -> tuple[str, dict]:
    target = tempfile.mkdtemp(dir=SCRATCH)
    try:
        local = mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=target)
    except Exception as error:
        return target, {"error": f"{type(error).__name__}: {error}"[:300]}
    return local, digests(local)


def prediction(uri: str) -> list | str:
    try:
        model = mlflow.pyfunc.load_model(uri)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    names = model.metadata.get_input_schema().input_names()
    for load in (load_breast_cancer, load_diabetes):
        rows = load(as_frame=True).data
        if list(rows.columns) == names:
            return [repr(float(value)) for value in numpy.ravel(model.predict(rows.iloc[::ROW_STRIDE]))]
    return f"no rows with the columns {names}"


def run_snapshot(client: MlflowClient, run_id: str) -> dict | None:
    if not run_id:
        return None
    run = client.get_run(run_id)
    info = run.info
    histories = {
        key: sorted(([repr(m.value), m.timestamp, m.step] for m in client.get_metric_history(run_id, key)), key=str)
        for key in run.data.metrics
    }
    inputs = [
        {
            "dataset": {name: getattr(each.dataset, name) for name in DATASET_FIELDS},
            "tags": {tag.key: tag.value for tag in each.tags},
        }
        for each in (run.inputs.dataset_inputs if run.inputs else [])
    ]
    return {
        "info": {name: getattr(info, name) for name in ("run_name", "user_id", "status", "start_time", "end_time")},
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": histories,
        "inputs": sorted(inputs, key=lambda each: json.dumps(each, sort_keys=True)),
        # A run without artifacts has no directory, and the proxy answers 404 for that.
        "files": download(info.artifact_uri)[1] if client.list_artifacts(run_id) else {},
    }


DATASET_FIELDS = ("name", "digest", "source_type", "source", "schema", "profile")


def version_snapshot(client: MlflowClient, version) -> dict:
    local, files = download(client.get_model_version_download_uri(version.name, version.version))
    addressable = ADDRESSABLE.fullmatch(version.name) and version.name == version.name.strip()
    return {
        "description": version.description or "",
        "tags": dict(version.tags),
        "stage": version.current_stage,
        "source": version.source,
        "run_id": version.run_id or "",
        "run": run_snapshot(client, version.run_id),
        "files": files,
        "predicts": prediction(f"models:/{version.name}/{version.version}" if addressable else local),
    }


def registry_snapshot() -> dict:
    client = MlflowClient()
    models = {
        model.name: {
            "description": model.description or "",
            "tags": dict(model.tags),
            "aliases": {alias: str(version) for alias, version in dict(model.aliases).items()},
            "versions": {},
        }
        for model in pages(client.search_registered_models)
    }
    for version in pages(client.search_model_versions):
        models[version.name]["versions"][str(version.version)] = version_snapshot(client, version)
    return models


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as SCRATCH:
        Path(sys.argv[1]).write_text(json.dumps(registry_snapshot(), sort_keys=True))
