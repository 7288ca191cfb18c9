"""What must hold after a fault, found out without the program: by REST from both registries, by SQL, and from the store's bytes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

from rest import Registry
from world import WORKSPACE, World, versions

SOURCE_KEY = "marketplace.source_key"
WRITES_QUIETLY = "WorkspaceObserved"
RESULTS_MAX = 1000


def tags(entity: dict) -> dict:
    return {each["key"]: each.get("value", "") for each in entity.get("tags", [])}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Verifier:
    """Looks at one world. What was found right before is not read again: bytes do not change behind the servers."""

    def __init__(self, world: World):
        self.world = world
        self.known_files: dict[str, dict[str, str]] = {}
        self.known_exports: set[str] = set()

    def problems(self) -> list[str]:
        """Everything that does not hold, in words."""
        found: list[str] = []
        source_versions = versions(self.world.source)
        market_versions = versions(self.world.market)
        found += self.doubles(market_versions)
        live = self.live_events(found)
        found += self.promotions(source_versions, market_versions, live["ModelImported"])
        found += self.imports(source_versions, market_versions, live["ModelImported"])
        found += self.exports(source_versions, live["ModelExported"])
        return found

    # Nothing twice.

    def doubles(self, market_versions: list[dict]) -> Iterator[str]:
        market = self.world.market
        experiments = [each["experiment_id"] for each in
                       market.post("experiments/search", max_results=RESULTS_MAX).get("experiments", [])]
        runs = every(market, "runs/search", "runs", experiment_ids=experiments)
        models = every(market, "logged-models/search", "models", experiment_ids=experiments)
        for what, keys in (("versions", [tags(each).get(SOURCE_KEY) for each in market_versions]),
                           ("runs", [tags(each["data"]).get(SOURCE_KEY) for each in runs]),
                           ("logged models", [tags(each["info"]).get(SOURCE_KEY) for each in models])):
            for key, count in Counter(key for key in keys if key).items():
                if count > 1:
                    yield f"{count} {what} in the marketplace carry the key {key}"

    # One live event.

    def live_events(self, found: list[str]) -> dict[str, dict[tuple, dict]]:
        """Exports and imports that nothing ended, by model and version; more than one of a version is a problem."""
        rows = self.world.rows(f"""
            select type, data from ledger.events where workspace = '{WORKSPACE}'
            and type in ('ModelExported', 'ExportInvalidated', 'ModelImported', 'ImportLost') order by sequence""")
        live: dict[str, dict[tuple, dict]] = {"ModelExported": {}, "ModelImported": {}}
        ends = {"ExportInvalidated": "ModelExported", "ImportLost": "ModelImported"}
        for row in rows:
            data = row["data"]
            key = (data["name"], str(data["version"]), data["created"])
            if row["type"] in ends:
                live[ends[row["type"]]].pop(key, None)
            elif key in live[row["type"]]:
                found.append(f"a second live {row['type']} of {key[0]} v{key[1]}")
            else:
                live[row["type"]][key] = data
        return live

    # What is promoted.

    def promotions(self, source_versions: list[dict], market_versions: list[dict], imported: dict) -> Iterator[str]:
        aliases = {model["name"]: {each["alias"]: each["version"] for each in model.get("aliases", [])}
                   for model in self.world.market.models()}
        for model in self.world.source.models():
            name = f"{WORKSPACE}.{model['name']}"
            current = means(model, [each for each in source_versions if each["name"] == model["name"]])
            staged = {each["version"] for each in market_versions
                      if each["name"] == name and each["current_stage"] == "Production"}
            alias = aliases.get(name, {}).get("champion")
            if current is None:
                if staged or alias:
                    yield f"{name}: the source promotes nothing, the marketplace {sorted(staged)} and alias {alias}"
                continue
            data = imported.get((model["name"], current["version"], current["creation_timestamp"]))
            if data is None:
                yield f"{name}: what the source promotes, v{current['version']}, has no live ModelImported"
            elif staged != {str(data["marketplace_version"])} or alias != str(data["marketplace_version"]):
                yield (f"{name}: the source promotes v{current['version']}, here v{data['marketplace_version']}; "
                       f"the marketplace promotes {sorted(staged)} and alias {alias}")

    # The bytes.

    def imports(self, source_versions: list[dict], market_versions: list[dict], imported: dict) -> Iterator[str]:
        there = {(each["name"], each["version"]): each for each in market_versions}
        origin = {(each["name"], each["version"], each["creation_timestamp"]): each for each in source_versions}
        for key, data in imported.items():
            place = f"{data['marketplace_name']} v{data['marketplace_version']}"
            version = there.get((data["marketplace_name"], str(data["marketplace_version"])))
            if version is None:
                yield f"{place} has a live ModelImported and is not there"
                continue
            if not tags(version).get(SOURCE_KEY):
                yield f"{place} has no source key"
            if key not in origin:
                continue
            ours, theirs = self.files(self.world.market, version), self.files(self.world.source, origin[key])
            if not ours or ours != theirs:
                yield f"{place} holds {ours}, the source {theirs}"

    def files(self, registry: Registry, version: dict) -> dict[str, str]:
        """Path and SHA-256 of each file of a version."""
        place = f"{registry.url} {registry.workspace} {version['name']} {version['version']} {version['creation_timestamp']}"
        if place not in self.known_files:
            root = artifact_root(registry, version["source"])
            self.known_files[place] = {path: sha256(data) for path, data in artifacts(registry, root)}
        return self.known_files[place]

    def exports(self, source_versions: list[dict], exported: dict) -> list[str]:
        found: list[str] = []
        origin = {(each["name"], each["version"], each["creation_timestamp"]): each for each in source_versions}
        for key, data in exported.items():
            if data["uri"] in self.known_exports:
                continue
            before = len(found)
            folder = self.world.folder(data["uri"])
            manifest = (folder / "manifest.json").read_bytes()
            if sha256(manifest) != data["manifest_sha256"]:
                found.append(f"{folder}: its manifest is not the one of the event")
            listed = json.loads(manifest)["files"]
            for file in listed:
                path = folder / file["path"]
                if not path.is_file() or sha256(path.read_bytes()) != file["sha256"]:
                    found.append(f"{path}: not the bytes of the manifest")
            if key in origin:
                held = {file["sha256"] for file in listed}
                if not set(self.files(self.world.source, origin[key]).values()) <= held:
                    found.append(f"{folder}: lacks files of the source")
            if len(found) == before:
                self.known_exports.add(data["uri"])
        return found

    # Nothing more to do.

    def appended_since(self, sequence: int) -> Counter:
        rows = self.world.rows(f"select type from ledger.events where workspace = '{WORKSPACE}' and sequence > {sequence}")
        return Counter(row["type"] for row in rows)

    def last_sequence(self) -> int:
        return int(self.world.psql(f"select coalesce(max(sequence), 0) from ledger.events where workspace = '{WORKSPACE}'"))


def means(model: dict, of_model: list[dict]) -> dict | None:
    """The version that the source promotes: the alias first, then the highest in Production."""
    for each in model.get("aliases", []):
        if each["alias"] == "champion":
            return next((found for found in of_model if found["version"] == each["version"]), None)
    staged = [each for each in of_model if each["current_stage"] == "Production"]
    return max(staged, key=lambda each: int(each["version"]), default=None)


def every(registry: Registry, path: str, field: str, **body: object) -> list[dict]:
    found, token = [], ""
    while True:
        page = registry.post(path, **body, **({"page_token": token} if token else {}))
        found += page.get(field, [])
        token = page.get("next_page_token", "")
        if not token:
            return found


def artifact_root(registry: Registry, source: str) -> str:
    """Where the files of a version lie behind the server's proxy, by its source."""
    if source.startswith("models:/"):
        model = registry.get(f"logged-models/{source.removeprefix('models:/')}")["model"]
        source = model["info"]["artifact_uri"]
    return source.removeprefix("mlflow-artifacts:").lstrip("/")


def artifacts(registry: Registry, root: str, below: str = "") -> Iterator[tuple[str, bytes]]:
    """Every file below a root, with its bytes."""
    base = "/api/2.0/mlflow-artifacts/artifacts"
    path = f"{root}/{below}".rstrip("/")
    listing = json.loads(registry.request("GET", f"{base}?{urlencode({'path': path})}"))
    for file in listing.get("files", []):
        relative = f"{below}/{Path(file['path']).name}".lstrip("/")
        if file.get("is_dir"):
            yield from artifacts(registry, root, relative)
        else:
            yield relative, registry.request("GET", f"{base}/{quote(f'{root}/{relative}')}")
