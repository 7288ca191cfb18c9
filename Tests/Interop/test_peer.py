"""Other people's importer reads our exports: mlflow-export-import 1.2.0 from PyPI, MLflow 2.22 at both ends.

The destination keeps its artifacts on its own disk: that importer writes to the artifact store itself.
"""

import os
import subprocess
from pathlib import Path

import pytest
from compare import manifests
from world import Registry, needed, run_directory

pytestmark = pytest.mark.skipif("MARKETPLACE_SCENARIO" in os.environ, reason="only on the world made here")

IMPORT_DEADLINE_S = 300
# Workspace dev02 is an MLflow 2.22.
MODELS = ["triage", "Diabète – progression"]
# The story of the demo deletes the exported version of the other one at its source.
STILL_AT_THE_SOURCE = ["Diabète – progression"]


def exported(world, model: str) -> tuple[str, Path]:
    """The lowest exported version of a model of dev02, and the folder of its export."""
    found = [
        (manifest["version"], directory)
        for directory, manifest in manifests(world.storage).items()
        if manifest["workspace"] == "dev02" and manifest["name"] == model
    ]
    assert found, f"dev02 has no export of {model}"
    version, directory = min(found)
    return str(version), directory


def import_model(url: str, folder: Path, model: str) -> subprocess.CompletedProcess:
    program = Path(needed("MARKETPLACE_PYTHON_PEER")).parent / "import-model"
    return subprocess.run(
        [program, "--input-dir", folder, "--model", model, "--experiment-name", f"imported/{model}"],
        env={**os.environ, "MLFLOW_TRACKING_URI": url, "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=IMPORT_DEADLINE_S,
        check=False,
    )


def untouched(files: dict) -> dict:
    """That importer writes the new run into MLmodel."""
    return {path: digest for path, digest in files.items() if Path(path).name != "MLmodel"}


def finite(metrics: dict) -> dict:
    """What that importer's layout has no way to say is kept beside it in our export."""
    kept = {key: [each for each in points if each[0] not in ("nan", "inf", "-inf")] for key, points in metrics.items()}
    return {key: points for key, points in kept.items() if points}


@pytest.fixture(scope="module")
def imported(demo):
    """What the second server says of every model, after the imports; and what each import said."""
    peer = Registry("peer", needed("MLFLOW_PEER_URL"), needed("MARKETPLACE_PYTHON2"))
    said = {model: import_model(peer.url, exported(demo, model)[1], model) for model in MODELS}
    return peer.snapshot(run_directory()), said


@pytest.mark.parametrize("model", MODELS)
def test_the_importer_ends_well(imported, model):
    done = imported[1][model]
    assert done.returncode == 0, done.stdout + done.stderr
    # It answers errors of single versions with a message and status 0.
    assert list(imported[0].get(model, {"versions": {}})["versions"]) == ["1"], done.stdout + done.stderr


@pytest.mark.parametrize("model", STILL_AT_THE_SOURCE)
def test_the_imported_version_predicts_what_the_source_predicts(demo, imported, model):
    version, _ = exported(demo, model)
    source = demo.sources["dev02"][model]["versions"][version]
    copy = imported[0][model]["versions"]["1"]
    assert isinstance(source["predicts"], list), source["predicts"]
    assert copy["predicts"] == source["predicts"]
    assert untouched(copy["files"]) == untouched(source["files"])


@pytest.mark.parametrize("model", STILL_AT_THE_SOURCE)
def test_the_imported_run_is_the_run_of_the_source(demo, imported, model):
    version, _ = exported(demo, model)
    source = demo.sources["dev02"][model]["versions"][version]["run"]
    copy = imported[0][model]["versions"]["1"]["run"]
    assert copy["params"] == source["params"]
    assert finite(copy["metrics"]) == finite(source["metrics"])
    assert untouched(copy["files"]) == untouched(source["files"])
