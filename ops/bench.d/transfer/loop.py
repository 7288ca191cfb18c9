"""The bare loops of ops/bench export and ops/bench import, each a command as ours is: eight threads over kept connections.

usage: loop.py export URL DIRECTORY PATHS        the requests in PATHS, one a line; hashes and writes what it is given
       loop.py import URL DIRECTORY WORKSPACE    the requests of an import of ours, from the files below DIRECTORY
       loop.py least-export URL DIRECTORY        no more requests than a copy takes
       loop.py least-import URL DIRECTORY WORKSPACE

An import's files are named as their models are.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import urllib.parse
from pathlib import Path

from rest import MLMODEL, Registry, logged, together

THREADS = 8
WORKSPACE = "marketplace.source.workspace"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
# How ours wants versions listed.
BY_NUMBER = {"max_results": 1000, "order_by": ["name ASC", "version_number ASC"]}


def tag(name: str, value: str) -> dict[str, str]:
    return {"key": f"marketplace.{name}", "value": value}


def each_file(directory: Path, work) -> None:
    """Some side by side: what is to be done with a model and its file's bytes."""
    together([lambda path=path: work(path.name, path.read_bytes()) for path in sorted(directory.iterdir())], THREADS)


# The very requests of ours.


def export(registry: Registry, directory: Path, paths: str) -> None:
    together([lambda path=path: read(registry, path, directory) for path in Path(paths).read_text().splitlines()], THREADS)


def read(registry: Registry, path: str, directory: Path) -> None:
    data = registry.request("GET", path)
    _, _, file = path.partition(f"{FILES}/")
    if file:
        hashlib.sha256(data).hexdigest()
        target = directory / urllib.parse.unquote(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def import_(registry: Registry, directory: Path, workspace: str) -> None:
    registry.models()
    experiment = registry.experiment(f"{workspace}/study", [tag("source.workspace", workspace)])
    each_file(directory, lambda model, data: make(registry, workspace, model, experiment, data))
    registry.models()
    registry.get("model-versions/search", filter=f"tags.`{WORKSPACE}` = '{workspace}'", **BY_NUMBER)


def make(registry: Registry, workspace: str, model: str, experiment: str, data: bytes) -> None:
    """The requests that ours sends for a version: to look, to make, and to look again."""
    post, get, now, name = registry.post, registry.get, int(time.time() * 1000), f"{workspace}.{model}"
    source_run = hashlib.md5(model.encode(), usedforsecurity=False).hexdigest()
    run_key, version_key = f"run/{workspace}/{source_run}", f"{workspace}/{source_run}/2/{now}/1"
    place, export = tag("source.workspace", workspace), tag("export_id", source_run)
    for each in (data, MLMODEL.encode()):
        hashlib.sha256(each).hexdigest()
    post("registered-models/create", name=name, description=f"{model}, measured", tags=[place, tag("source.model", model)])
    post("experiments/search", filter=f"tags.`{WORKSPACE}` = '{workspace}'", max_results=1000, view_type="ALL",
         order_by=["creation_time ASC", "experiment_id ASC"])

    def search_run() -> None:
        post("runs/search", experiment_ids=[experiment], filter=f"tags.`marketplace.source_key` = '{run_key}'",
             max_results=1000, run_view_type="ALL", order_by=["attributes.start_time ASC"])

    search_run()
    run = post("runs/create", experiment_id=experiment, run_name=f"{model} run", start_time=now, user_id="bench",
               tags=[tag("source_key", run_key), tag("source.run_id", source_run), place, export])["run"]["info"]
    search_run()
    registry.put_file(run["artifact_uri"], "model/MLmodel", MLMODEL.encode())
    registry.put_file(run["artifact_uri"], "model/model.pkl", data)
    for folder in ("", "/model"):
        root = run["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
        registry.request("GET", f"{FILES}?path={urllib.parse.quote(root + folder, safe='')}")
    post("runs/update", run_id=run["run_id"], run_name=f"{model} run", status="FINISHED", end_time=now + 1000)
    post("runs/log-batch", run_id=run["run_id"], tags=[{"key": "cohort", "value": "2025-H2"}, tag("complete", "true")],
         **logged(now))
    made = post("model-versions/create", name=name, description="", run_id=run["run_id"], source=f"{run['artifact_uri']}/model",
                tags=[tag("source_key", version_key), place, tag("source.model", model), tag("source.version", "2"), export])
    number = made["model_version"]["version"]
    get("model-versions/search", filter=f"tags.`marketplace.source_key` = '{version_key}'", **BY_NUMBER)
    post("model-versions/transition-stage", name=name, version=number, stage="Production", archive_existing_versions=True)
    post("registered-models/alias", name=name, alias="champion", version=number)


# The fewest requests.


def export_least(registry: Registry, directory: Path) -> None:
    wanted = [version for model in registry.models() for version in model.get("latest_versions", [])
              if version["current_stage"] == "Production"]
    together([lambda version=version: copy_least(registry, version, directory) for version in wanted], THREADS)


def copy_least(registry: Registry, version: dict, directory: Path) -> None:
    """What an exact copy asks for: the version, its run, the histories, the experiment, every listing, every file."""
    registry.get("model-versions/get", name=version["name"], version=version["version"])
    run = registry.get("runs/get", run_id=version["run_id"])["run"]
    for metric in run["data"].get("metrics", []):
        registry.get("metrics/get-history", run_id=version["run_id"], metric_key=metric["key"])
    registry.get("experiments/get", experiment_id=run["info"]["experiment_id"])
    root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
    folders, digests = [""], {}
    while folders:
        folder = folders.pop()
        path = urllib.parse.quote(f"{root}/{folder}".rstrip("/"), safe="")
        listing = json.loads(registry.request("GET", f"{FILES}?path={path}"))
        for file in listing.get("files", []):
            inside = f"{folder}/{file['path']}".lstrip("/")
            if file.get("is_dir"):
                folders.append(inside)
                continue
            data = registry.request("GET", f"{FILES}/{urllib.parse.quote(f'{root}/{inside}')}")
            digests[inside] = hashlib.sha256(data).hexdigest()
            target = directory / version["name"] / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    (directory / version["name"] / "manifest.json").write_text(json.dumps(digests))


def import_least(registry: Registry, directory: Path, workspace: str) -> None:
    experiment = registry.experiment(f"{workspace}/study")
    each_file(directory, lambda model, data: make_least(registry, f"{workspace}.{model}", experiment, data))


def make_least(registry: Registry, model: str, experiment: str, data: bytes) -> None:
    """What a version needs to exist: model, run, log, files, version, stage, alias, and a hash of the bytes."""
    hashlib.sha256(data).hexdigest()
    hashlib.sha256(MLMODEL.encode()).hexdigest()
    registry.post("registered-models/create", name=model)
    version = registry.add_version(model, experiment, data, "Production")
    registry.post("registered-models/alias", name=model, alias="champion", version=version)


WHAT = {"export": export, "import": import_, "least-export": export_least, "least-import": import_least}

if __name__ == "__main__":
    WHAT[sys.argv[1]](Registry(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
