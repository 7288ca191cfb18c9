"""What must be equal between a source, storage and the marketplace. Each function returns differences as sentences."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

OUR_PREFIX = "marketplace."
# Written by an MLflow server or client about itself when a model is logged, not by the people whose run it is.
SERVER_MADE_RUN_TAGS = {"mlflow.log-model.history"}
SERVER_MADE_MODEL_TAGS: set[str] = set()
# Everything people read about a run, and when it ran.
RUN_FACTS = ("run_name", "user_id", "status", "start_time", "end_time")


@dataclass
class Pair:
    """A marketplace version and the source version its tags name."""

    workspace: str
    model: str
    version: str
    source_model: dict
    source: dict
    copy_name: str
    copy_version: str
    copy_model: dict
    copy: dict

    def __str__(self) -> str:
        return f"{self.workspace}/{self.model} v{self.version} as {self.copy_name} v{self.copy_version}"


@dataclass
class World:
    """The registries as MLflow's client reads them after a sync, and the storage between them."""

    sources: dict[str, dict]
    marketplace: dict
    storage: Path
    exits: list[int] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def pairs(self, workspaces: set[str] | None = None) -> Iterator[Pair]:
        """A version that was deleted at its source since is no longer there to compare with."""
        for name, model in self.marketplace.items():
            for number, copy in model["versions"].items():
                tags = copy["tags"]
                workspace = tags.get(OUR_PREFIX + "source.workspace", "")
                if workspaces is not None and workspace not in workspaces:
                    continue
                source_name = tags[OUR_PREFIX + "source.model"]
                source_version = tags[OUR_PREFIX + "source.version"]
                source_model = self.sources[workspace].get(source_name)
                source = source_model and source_model["versions"].get(source_version)
                if source:
                    yield Pair(
                        workspace, source_name, source_version, source_model, source, name, number, model, copy
                    )


def without(tags: dict, made: set[str]) -> dict:
    return {key: value for key, value in tags.items() if key not in made and not key.startswith(OUR_PREFIX)}


def difference(what: str, pair: Pair, source, copy) -> list[str]:
    if source == copy:
        return []
    if isinstance(source, dict) and isinstance(copy, dict):
        keys = sorted(key for key in source.keys() | copy.keys() if source.get(key) != copy.get(key))
        told = [f"{key}: {source.get(key)!r} became {copy.get(key)!r}"[:300] for key in keys[:5]]
        return [f"{pair}: {what}: {len(keys)} differ: " + "; ".join(told)]
    return [f"{pair}: {what}: {source!r} became {copy!r}"[:500]]


def predictions(pair: Pair) -> list[str]:
    if not isinstance(pair.copy["predicts"], list):
        return [f"{pair}: the marketplace's model does not predict: {pair.copy['predicts']}"]
    return difference("predictions", pair, pair.source["predicts"], pair.copy["predicts"])


def model_files(pair: Pair) -> list[str]:
    return difference("model files", pair, pair.source["files"], pair.copy["files"])


def run_files(pair: Pair) -> list[str]:
    """The run's own artifacts. MLflow 2 keeps the model among them; a copy may keep it as a logged model instead."""
    if not pair.source["run"]:
        return []
    source, copy = pair.source["run"]["files"], (pair.copy["run"] or {"files": {}})["files"]
    model = pair.source["files"]
    inside_model = {path for path in source if any(path.endswith("/" + name) for name in model)}
    wanted = {path: digest for path, digest in source.items() if path not in inside_model or path in copy}
    return difference("run artifacts", pair, wanted, copy)


def run_facts(pair: Pair) -> list[str]:
    if not pair.source["run"]:
        return []
    if not pair.copy["run"]:
        return [f"{pair}: the run did not arrive"]
    source, copy = ({name: side["run"]["info"][name] for name in RUN_FACTS} for side in (pair.source, pair.copy))
    return difference("run", pair, source, copy)


def run_part(part: str):
    def compare(pair: Pair) -> list[str]:
        if not pair.source["run"] or not pair.copy["run"]:
            return []
        return difference(part, pair, pair.source["run"][part], pair.copy["run"][part])

    return compare


def run_tags(pair: Pair) -> list[str]:
    if not pair.source["run"] or not pair.copy["run"]:
        return []
    source, copy = (without(side["run"]["tags"], SERVER_MADE_RUN_TAGS) for side in (pair.source, pair.copy))
    return difference("run tags", pair, source, copy)


def version_tags(pair: Pair) -> list[str]:
    source, copy = (without(side["tags"], SERVER_MADE_MODEL_TAGS) for side in (pair.source, pair.copy))
    return difference("version tags", pair, source, copy)


def model_tags(pair: Pair) -> list[str]:
    source, copy = (without(side["tags"], SERVER_MADE_MODEL_TAGS) for side in (pair.source_model, pair.copy_model))
    return difference("model tags", pair, source, copy)


def descriptions(pair: Pair) -> list[str]:
    return difference(
        "descriptions",
        pair,
        {"model": pair.source_model["description"], "version": pair.source["description"]},
        {"model": pair.copy_model["description"], "version": pair.copy["description"]},
    )


ASPECTS = {
    "predictions": predictions,
    "model files": model_files,
    "run artifacts": run_files,
    "run name, user, status and times": run_facts,
    "run parameters": run_part("params"),
    "metric histories": run_part("metrics"),
    "dataset inputs": run_part("inputs"),
    "run tags": run_tags,
    "version tags": version_tags,
    "model tags": model_tags,
    "descriptions": descriptions,
}


def manifests(storage: Path) -> dict[Path, dict]:
    return {path.parent: json.loads(path.read_text()) for path in sorted(storage.glob("exports/**/manifest.json"))}


def manifest_files(manifest: dict) -> dict[str, tuple[int, str]]:
    return {each["path"]: (each["size"], each["sha256"]) for each in manifest["files"]}


def says(value, wanted: str) -> bool:
    """Whether a JSON document holds a string anywhere."""
    if isinstance(value, dict):
        return any(says(each, wanted) for each in value.values())
    if isinstance(value, list):
        return any(says(each, wanted) for each in value)
    return str(value) == wanted


def storage_matches_its_manifests(storage: Path) -> list[str]:
    found = []
    for directory, manifest in manifests(storage).items():
        for path, (size, digest) in manifest_files(manifest).items():
            file = directory / path
            if not file.is_file():
                found.append(f"{file}: named by the manifest, not there")
            elif file.stat().st_size != size or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                found.append(f"{file}: not the bytes the manifest names")
    return found


def storage_holds_the_source(world: World, pair: Pair) -> list[str]:
    """Some export of this version names every model file, byte for byte, and every artifact of the run."""
    root = world.storage / "exports" / pair.workspace
    reasons = []
    for directory, manifest in manifests(world.storage).items():
        named = directory.is_relative_to(root) and directory.name.startswith(f"{pair.version}-")
        if not named or not says({k: v for k, v in manifest.items() if k != "files"}, pair.model):
            continue
        stored = {(path.rsplit("/", 1)[-1], digest) for path, (_, digest) in manifest_files(manifest).items()}
        wanted = {**pair.source["files"], **(pair.source["run"] or {"files": {}})["files"]}
        missing = [p for p, digest in wanted.items() if (p.rsplit("/", 1)[-1], digest) not in stored]
        if not missing:
            return []
        reasons.append(f"{pair}: {directory} lacks {missing[:5]}")
    return reasons or [f"{pair}: no export under {root}"]
