"""The hard cases: seeds.py NAME…, or `all`. What each made is printed as one JSON object {name: …}.

Like clinical.py it runs with an MLflow 2 or 3 client against MLFLOW_TRACKING_URI and MLFLOW_WORKSPACE. Every model is
promoted by stage Production unless its name says otherwise. A case that needs MLflow 3 is null with MLflow 2.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable

import mlflow
from clinical import (
    MLFLOW_MAJOR,
    Plan,
    ensure_model,
    estimator,
    experiment,
    log_history,
    log_sklearn,
    make,
    report,
    stage,
    table,
)
from mlflow.entities import Metric, Param
from mlflow.models import infer_signature
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

METRIC_POINTS = 1_500
PARAMS = 150
POINTS_PER_CALL = 500
PARAMS_PER_CALL = 100
NAME_LENGTH = 250

# What MLflow accepts and file systems, URLs, shells and SQL may trip over. `/` and `:` are refused by MLflow itself.
HOSTILE_NAMES = {
    "nfc": unicodedata.normalize("NFC", "Décès à 30 jours"),
    "nfd": unicodedata.normalize("NFD", "Décès à 31 jours"),
    "quotes": "O'Brien \"score\" `x`; DROP TABLE model--",
    "percent": "%2e%2e%2fetc%2fpasswd",
    "dots": "..",
    "spaces": "  two  spaces  ",
    "emoji": "🫀 risk 👩‍⚕️",
    "long": "l" + "o" * (NAME_LENGTH - 5) + "ng 1",
    "backslash": "a\\b\\..\\c",
    "case": "Sepsis-ALERT",
    "hash": "a#b?c&d=e+f",
    "rtl": "تنبؤ \u202eksir",
}


def fitted(kind: str = "logistic", data: str = "breast cancer", seed: int = 1):
    features, target = table(data)
    model = estimator(kind, seed).fit(features, target)
    return model, infer_signature(features.head(5), model.predict(features.head(5)))


def promoted(model: str, uri: str) -> dict:
    ensure_model(model, f"{model}: un cas difficile")
    version = str(mlflow.register_model(uri, model).version)
    stage(model, version, "Production")
    return {"model": model, "version": version}


def two_models_in_one_run() -> dict:
    """One run, two models that predict differently, a registered model for each."""
    with mlflow.start_run(experiment_id=experiment("two in one run"), run_name="both") as run:
        uris = {}
        for name, seed in (("careful", 1), ("bold", 40)):
            model, signature = fitted("ridge", "diabetes", seed)
            uris[name] = log_sklearn(model, name, signature).model_uri
    return {"run_id": run.info.run_id, "models": [promoted(f"twins-{name}", uri) for name, uri in uris.items()]}


def version_without_run() -> dict | None:
    """MLflow 3 logs a model outside any run; its version has the run id ""."""
    if MLFLOW_MAJOR < 3:
        return None
    mlflow.set_experiment(experiment_id=experiment("no run"))
    model, signature = fitted()
    info = log_sklearn(model, "runless", signature)
    made = promoted("runless", f"models:/{info.model_id}")
    assert not MlflowClient().get_model_version("runless", made["version"]).run_id
    return made


def deleted_run() -> dict:
    """The run of a Production version was deleted; the version and its files are still there."""
    logged = make(Plan("orphaned", "logistic", "breast cancer", 3, "its run was deleted"))
    stage("orphaned", logged.version, "Production")
    MlflowClient().delete_run(logged.run_id)
    return {"model": "orphaned", "version": logged.version, "run_id": logged.run_id}


def remove_model_files(model: str, version: str, path: str | None) -> None:
    uri = MlflowClient().get_model_version_download_uri(model, version)
    get_artifact_repository(uri).delete_artifacts(path)


def missing_files() -> dict:
    """Every file of the model is gone from the store; the registry does not know."""
    logged = make(Plan("hollow", "logistic", "breast cancer", 5, "its files are gone"))
    stage("hollow", logged.version, "Production")
    remove_model_files("hollow", logged.version, None)
    return {"model": "hollow", "version": logged.version}


def missing_mlmodel() -> dict:
    """Only MLmodel is gone: there are files, and still no model."""
    logged = make(Plan("headless", "logistic", "breast cancer", 6, "its MLmodel is gone"))
    stage("headless", logged.version, "Production")
    remove_model_files("headless", logged.version, "MLmodel")
    return {"model": "headless", "version": logged.version}


def hostile_names() -> dict:
    """One version each, all of the same run: what counts here is the name."""
    with mlflow.start_run(experiment_id=experiment("names 🏷️ / : 'quoted'"), run_name="ʼnames’ \"and\" more"):
        model, signature = fitted()
        uri = log_sklearn(model, "model", signature).model_uri
    made = {}
    for key, name in HOSTILE_NAMES.items():
        try:
            made[key] = promoted(name, uri)
        except mlflow.exceptions.MlflowException as error:
            made[key] = {"model": name, "refused": str(error)[:200]}
    return made


def odd_metrics() -> dict:
    """NaN, both infinities, the largest and smallest doubles, negative steps, and two points at one step."""
    client = MlflowClient()
    with mlflow.start_run(experiment_id=experiment("odd metrics"), run_name="odd") as run:
        at = run.info.start_time
        values = [float("nan"), float("inf"), float("-inf"), 1.7976931348623157e308, 5e-324, -0.0, 0.1 + 0.2, 1e22]
        points = [Metric("odd", value, at + i, i) for i, value in enumerate(values)]
        points += [Metric("odd", 1.0, at, -1), Metric("same step", 1.0, at, 3), Metric("same step", 2.0, at + 1, 3)]
        points += [Metric("all nan", float("nan"), at, 0), Metric("a/b c.d-e_f", 0.5, at, 0)]
        client.log_batch(run.info.run_id, metrics=points)
        log_history(client, run.info.run_id, at, 1)
        model, signature = fitted()
        uri = log_sklearn(model, "model", signature).model_uri
    return {"run_id": run.info.run_id, **promoted("odd-metrics", uri)}


def datasets() -> dict:
    """Two inputs with contexts, one of them without a name of its own."""
    with mlflow.start_run(experiment_id=experiment("datasets"), run_name="inputs") as run:
        for data, context in (("breast cancer", "training"), ("diabetes", "évaluation")):
            features, target = table(data)
            frame = features.assign(target=target)
            mlflow.log_input(mlflow.data.from_pandas(frame, name=data, targets="target"), context=context)
        mlflow.log_input(mlflow.data.from_pandas(features.head(3)))
        model, signature = fitted()
        uri = log_sklearn(model, "model", signature).model_uri
    return {"run_id": run.info.run_id, **promoted("many-inputs", uri)}


def large_run() -> dict:
    """More metric points and parameters than one call may carry, and values as long as MLflow takes them."""
    client = MlflowClient()
    with mlflow.start_run(experiment_id=experiment("large run"), run_name="large") as run:
        run_id, at = run.info.run_id, run.info.start_time
        points = [Metric(f"m{i % 3}", i / 7.0, at + i, i // 3) for i in range(METRIC_POINTS)]
        for first in range(0, len(points), POINTS_PER_CALL):
            client.log_batch(run_id, metrics=points[first : first + POINTS_PER_CALL])
        params = [Param(f"param {i:03}", "é" * 500 if i == 0 else f"value {i}") for i in range(PARAMS)]
        for first in range(0, len(params), PARAMS_PER_CALL):
            client.log_batch(run_id, params=params[first : first + PARAMS_PER_CALL])
        mlflow.set_tag("long", "x" * 5_000)
        model, signature = fitted()
        uri = log_sklearn(model, "model", signature).model_uri
    return {"run_id": run_id, **promoted("large-run", uri)}


def recreated() -> dict:
    """Deleted and created again under the same name: another model, whose numbers begin at 1 again."""
    if exists("phoenix"):
        MlflowClient().delete_registered_model("phoenix")
    logged = make(Plan("phoenix", "logistic", "breast cancer", 8, "a new life"))
    stage("phoenix", logged.version, "Production")
    return {"model": "phoenix", "version": logged.version}


def exists(model: str) -> bool:
    try:
        MlflowClient().get_registered_model(model)
        return True
    except mlflow.exceptions.MlflowException:
        return False


CASES: dict[str, Callable[[], dict | None]] = {
    case.__name__: case
    for case in (
        two_models_in_one_run,
        version_without_run,
        deleted_run,
        missing_files,
        missing_mlmodel,
        hostile_names,
        odd_metrics,
        datasets,
        large_run,
        recreated,
    )
}


if __name__ == "__main__":
    names = sys.argv[1:] or ["all"]
    report(json.dumps({name: CASES[name]() for name in (CASES if names == ["all"] else names)}))
