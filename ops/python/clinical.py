"""Real models on the clinical data that ships with scikit-learn, logged with whichever MLflow client is installed.

The server comes from MLFLOW_TRACKING_URI and, on a server with workspaces, MLFLOW_WORKSPACE.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
warnings.filterwarnings("ignore")

import mlflow
import mlflow.sklearn
import sklearn
from mlflow.entities import Metric
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

logging.getLogger("mlflow").setLevel(logging.ERROR)

MLFLOW_MAJOR = int(mlflow.__version__.split(".")[0])
HISTORY_STEPS = 20
METRICS_PER_CALL = 1000
TREES = 25

# MLflow prints addresses to stdout; ours is for one JSON object, or one sentence.
sys.stdout = sys.stderr

LOADERS = {"breast cancer": load_breast_cancer, "diabetes": load_diabetes}


def report(text: str) -> None:
    """The only thing that reaches stdout."""
    print(text, file=sys.__stdout__)


def table(name: str):
    """Features and target of one data set, as pandas objects."""
    bunch = LOADERS[name](as_frame=True)
    return bunch.data, bunch.target


def estimator(kind: str, seed: int):
    if kind == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(C=1.0 / seed, max_iter=500))
    if kind == "forest":
        return RandomForestClassifier(n_estimators=TREES, random_state=seed, n_jobs=1)
    if kind == "ridge":
        return make_pipeline(StandardScaler(), Ridge(alpha=float(seed)))
    raise ValueError(f"no estimator is called {kind}")


@dataclass
class Plan:
    """One version of one registered model, and how it comes to be."""

    model: str
    kind: str
    data: str
    seed: int = 1
    description: str = ""
    version_description: str = ""
    tags: dict = field(default_factory=dict)
    params: dict = field(default_factory=dict)
    with_dataset: bool = True
    registered: bool = True


@dataclass
class Logged:
    """What came of a plan."""

    model: str
    version: str
    run_id: str
    uri: str


def experiment(name: str) -> str:
    found = mlflow.get_experiment_by_name(name)
    return found.experiment_id if found else mlflow.create_experiment(name, tags={"team": "clinical data science"})


def log_sklearn(model, name: str, signature):
    """Logs without guessing requirements, which would start an interpreter for each model."""
    arguments = {
        "sk_model": model,
        "signature": signature,
        "serialization_format": "cloudpickle",
        "pip_requirements": [f"scikit-learn=={sklearn.__version__}"],
    }
    if MLFLOW_MAJOR >= 3:
        return mlflow.sklearn.log_model(name=name, **arguments)
    return mlflow.sklearn.log_model(artifact_path=name, **arguments)


def log_history(client: MlflowClient, run_id: str, start_ms: int, seed: int, steps: int = HISTORY_STEPS) -> None:
    """A loss that falls, one diverged step (NaN), one overflow and one underflow of a ratio (±Inf)."""
    points = [Metric("loss", math.exp(-step / 7.0) + seed / 100.0, start_ms + step, step) for step in range(steps)]
    points.append(Metric("loss", float("nan"), start_ms + steps, steps))
    points.append(Metric("odds", float("inf"), start_ms, 0))
    points.append(Metric("odds", float("-inf"), start_ms + 1, 1))
    points.append(Metric("calibration", float("nan"), start_ms, 0))
    for first in range(0, len(points), METRICS_PER_CALL):
        client.log_batch(run_id, metrics=points[first : first + METRICS_PER_CALL])


def log_files(seed: int) -> None:
    """Text, JSON, bytes, an empty file, folders, and a name with a space and an accent."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "plots").mkdir()
        (root / "notes").mkdir()
        (root / "confusion.json").write_text(json.dumps({"tp": 61 + seed, "fp": 2, "tn": 105, "fn": 3}))
        (root / "plots" / "weights.bin").write_bytes(bytes((seed + i * 7) % 256 for i in range(64 * 1024)))
        (root / "notes" / "lisez-moi été.txt").write_text("Évalué sur la cohorte 2025 – naïve baseline: 0,71\n")
        (root / "notes" / "empty.txt").write_text("")
        mlflow.log_artifacts(directory)


def make(plan: Plan) -> Logged:
    """Trains, logs and registers one version."""
    client = MlflowClient()
    features, target = table(plan.data)
    split = train_test_split(features, target, test_size=0.3, random_state=plan.seed)
    train_x, test_x, train_y, test_y = split
    model = estimator(plan.kind, plan.seed).fit(train_x, train_y)
    predicted = model.predict(test_x)
    score = r2_score(test_y, predicted) if plan.kind == "ridge" else accuracy_score(test_y, predicted)
    with mlflow.start_run(
        experiment_id=experiment(f"{plan.model} study"),
        run_name=f"{plan.kind} №{plan.seed}",
        description=f"Étude de {plan.model}: {plan.kind}, graine {plan.seed} 🩺",
        tags={"cohort": "2025-H2", "reviewed by": "Dr. Ñandú", **plan.tags},
    ) as run:
        mlflow.log_params({"kind": plan.kind, "seed": plan.seed, "rows": len(train_x), **plan.params})
        mlflow.log_metric("r2" if plan.kind == "ridge" else "accuracy", score)
        log_history(client, run.info.run_id, run.info.start_time, plan.seed)
        if plan.with_dataset:
            frame = train_x.assign(target=train_y)
            mlflow.log_input(mlflow.data.from_pandas(frame, name=plan.data, targets="target"), context="training")
        log_files(plan.seed)
        info = log_sklearn(model, "model", infer_signature(test_x.head(5), model.predict(test_x.head(5))))
    logged = Logged(plan.model, "", run.info.run_id, info.model_uri)
    if plan.registered:
        logged.version = register(plan, logged)
    return logged


def register(plan: Plan, logged: Logged) -> str:
    client = MlflowClient()
    ensure_model(plan.model, plan.description)
    # With MLflow 3 the source is models:/m-…, with MLflow 2 the run's artifacts.
    version = mlflow.register_model(logged.uri, plan.model, tags={"intended use": "décision support", **plan.tags})
    if plan.version_description:
        client.update_model_version(plan.model, version.version, plan.version_description)
    return str(version.version)


def ensure_model(name: str, description: str = "") -> None:
    client = MlflowClient()
    try:
        client.create_registered_model(name, tags={"owner": "quality@hospital.example", "risk": "élevé"})
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    if description:
        client.update_registered_model(name, description)


def stage(model: str, version: str, to: str) -> None:
    MlflowClient().transition_model_version_stage(model, version, to, archive_existing_versions=False)


def alias(model: str, name: str, version: str) -> None:
    MlflowClient().set_registered_model_alias(model, name, version)
