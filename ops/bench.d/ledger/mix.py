"""The events that the measurements of the ledger append: 65 workspaces of 30 models with valid histories.

Of all events 40 % are transitions, 20 % registrations and descriptions, 30 % exports, imports and the promotions that
end them, 10 % observations. Whatever is furthest behind its share and possible comes next. The same seed gives the
same events.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from dataclasses import dataclass, field

WORKSPACES = 65
MODELS = 30
SHARES = {
    "StageTransitioned": 0.40,
    "ModelVersionRegistered": 0.12,
    "ModelDescribed": 0.08,
    "ModelExported": 0.12,
    "ModelImported": 0.12,
    "MarketplacePromotionSet": 0.06,
    "WorkspaceObserved": 0.10,
}
STAGES = ("Production", "Staging", "Archived")
START_MS = 1_700_000_000_000
STEP_MS = 60_000
TRANSITION_VERSIONS = 3
PRINCIPAL = "bench_writer"
RUN = uuid.UUID("6f6c6c61-6265-4e63-8000-000000000001")


@dataclass(slots=True)
class Event:
    """One event, and what the ledger will make of it: `sequence` and `version` are what a bare insert has to be told."""

    workspace: str
    stream: str
    expected: int | None
    id: uuid.UUID
    type: str
    occurred_ms: int | None
    data: bytes
    sequence: int
    version: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)


@dataclass(slots=True, eq=False)
class Version:
    number: int
    created: int
    stage: str = "None"
    promoted: bool = False
    exported: str | None = None
    imported: int | None = None


class Model:
    def __init__(self, workspace: str, number: int, chance: random.Random):
        self.id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        self.name = f"readmission-risk-{number:02d}"
        self.stream = "model/" + self.id
        self.created = START_MS + chance.randrange(10**9)
        self.versions: list[Version] = []
        self.waiting_export: list[Version] = []
        self.waiting_import: list[Version] = []
        self.imported: list[Version] = []
        self.production: list[Version] = []
        self.available: Version | None = None
        self.stream_version = 0


class Workspace:
    """A source workspace and its history so far. Lanes are disjoint sets of its models, one for each connection."""

    def __init__(self, name: str, seed: int):
        self.name = name
        self.chance = random.Random(f"{seed}/{name}")
        self.models = [Model(name, n, self.chance) for n in range(MODELS)]
        self.sequence = 0
        self.workspace_version = 0
        self.now = START_MS + 2 * 10**9
        self.count = dict.fromkeys(SHARES, 0)
        self.total = 0
        self.marketplace_version = 0

    def connect(self) -> Event:
        data = {"registry": f"https://{self.name}.example.org", "kind": "mlflow",
                "promoted": {"aliases": ["champion"], "stages": ["Production"]}}
        return self.event("WorkspaceConnected", None, data)

    def events(self, count: int, lane: int = 0, lanes: int = 1) -> list[Event]:
        models = self.models[lane::lanes]
        return [self.next(models) for _ in range(count)]

    def next(self, models: list[Model]) -> Event:
        self.now += STEP_MS
        by_need = sorted(SHARES, key=lambda kind: self.count[kind] - SHARES[kind] * self.total)
        for kind in by_need:
            event = getattr(self, kind)(models)
            if event is not None:
                self.count[kind] += 1
                self.total += 1
                return event
        raise AssertionError("an observation is always possible")

    def event(self, kind: str, model: Model | None, data: dict, occurred: bool = False) -> Event:
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        self.sequence += 1
        if model is None:
            self.workspace_version += 1
            stream, expected, version = "workspace", None, self.workspace_version
        else:
            model.stream_version += 1
            stream, expected, version = model.stream, model.stream_version - 1, model.stream_version
        salt = self.chance.randbytes(16)
        return Event(self.name, stream, expected, uuid.UUID(int=self.chance.getrandbits(128), version=4), kind,
                     self.now if occurred else None, text, self.sequence, version, salt,
                     hashlib.sha256(salt + text).digest())

    def of(self, model: Model, version: Version | None = None) -> dict:
        data = {"model": model.id, "name": model.name}
        if version is not None:
            data |= {"version": version.number, "created": version.created}
        return data

    def bracket(self) -> dict:
        return {"not_before": self.now - STEP_MS, "not_after": self.now}

    def any(self, models: list[Model], fits) -> Model | None:
        start = self.chance.randrange(len(models))
        return next((m for m in models[start:] + models[:start] if fits(m)), None)

    # one function for each type; None: not possible now

    def StageTransitioned(self, models):
        model = self.any(models, lambda m: m.versions)
        if model is None:
            return None
        version, to = self.move(model)
        data = self.of(model, version) | self.bracket() | {"from": version.stage, "to": to}
        version.stage = to
        if to == "Production" and not version.promoted:
            version.promoted = True
            model.waiting_export.append(version)
        return self.event("StageTransitioned", model, data, occurred=True)

    def move(self, model: Model) -> tuple[Version, str]:
        # what a newer version replaced in production is archived next, as MLflow offers to
        if len(model.production) > 1:
            return model.production.pop(0), "Archived"
        recent = model.versions[-TRANSITION_VERSIONS:]
        version = next((v for v in recent if not v.promoted), None) or self.chance.choice(recent)
        to = "Production" if not version.promoted and self.chance.random() < 0.6 else self.chance.choice(STAGES)
        if to == version.stage:
            to = STAGES[(STAGES.index(to) + 1) % len(STAGES)]
        if version in model.production:
            model.production.remove(version)
        if to == "Production":
            model.production.append(version)
        return version, to

    def ModelVersionRegistered(self, models):
        model = self.any(models, lambda m: not m.versions) or self.chance.choice(models)
        version = Version(len(model.versions) + 1, self.now)
        model.versions.append(version)
        run = self.chance.randbytes(16).hex()
        data = self.of(model, version) | self.bracket() | {
            "model_created": model.created, "run_id": run, "source": f"mlflow-artifacts:/7/{run}/artifacts/model"}
        return self.event("ModelVersionRegistered", model, data)

    def ModelDescribed(self, models):
        model = self.any(models, lambda m: m.versions)
        if model is None:
            return None
        version = model.versions[-1]
        # one in four is of the model itself
        subject = {"version": version.number} if self.chance.random() < 0.75 else {}
        data = {"model": model.id, "name": model.name} | subject | {
                "description": "Risk of readmission within thirty days, calibrated on discharge letters and laboratory values.",
                "owner": "clinical-analytics", "tags": {"team": "readmission", "task": "classification", "tier": "2"},
                "flavors": ["python_function", "sklearn"], "run_name": f"train-{version.number}", "experiment": model.name,
                "signature": {"inputs": '[{"type":"double","name":"age"},{"type":"double","name":"length_of_stay"}]',
                              "outputs": '[{"type":"double"}]'},
                "metrics": {"auc": round(self.chance.random(), 4), "brier": round(self.chance.random(), 4)},
                "params": {"C": "1.0", "max_iter": "200", "penalty": "l2"}} | self.bracket()
        return self.event("ModelDescribed", model, data)

    def ModelExported(self, models):
        model = self.any(models, lambda m: m.waiting_export)
        if model is None:
            return None
        version = model.waiting_export.pop(0)
        version.exported = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        model.waiting_import.append(version)
        data = self.of(model, version) | {
            "generation": 1, "export_id": version.exported, "files": 7, "bytes": self.chance.randrange(10**4, 10**9),
            "uri": f"file:///srv/marketplace/exports/{self.name}/{model.name}/{version.number}-{version.exported}",
            "manifest_sha256": self.chance.randbytes(32).hex(), "model_sha256": self.chance.randbytes(32).hex()}
        return self.event("ModelExported", model, data)

    def ModelImported(self, models):
        model = self.any(models, lambda m: m.waiting_import)
        if model is None:
            return None
        version = model.waiting_import.pop(0)
        model.imported.append(version)
        version.imported = len(model.imported)
        data = self.of(model, version) | {
            "generation": 1, "export_id": version.exported, "target": "marketplace",
            "marketplace_name": f"{self.name}.{model.name}", "marketplace_version": version.imported,
            "marketplace_run_id": self.chance.randbytes(16).hex(), "manifest_sha256": self.chance.randbytes(32).hex()}
        return self.event("ModelImported", model, data)

    def MarketplacePromotionSet(self, models):
        model = self.any(models, lambda m: m.imported and m.imported[-1] is not m.available)
        if model is None:
            return None
        to, before = model.imported[-1], model.available
        model.available = to
        data = {"model": model.id, "name": model.name, "target": "marketplace", "cause": "promotion",
                "marketplace_name": f"{self.name}.{model.name}", "to": to.imported, "version": to.number}
        if before is not None:
            data["from"] = before.imported
        return self.event("MarketplacePromotionSet", model, data)

    def WorkspaceObserved(self, _):
        data = {"outcome": "complete", "models": MODELS, "versions": sum(len(m.versions) for m in self.models),
                "changes": self.chance.randrange(9), "observed_from": self.now - 4000, "observed_to": self.now}
        return self.event("WorkspaceObserved", None, data)


def workspaces(seed: int = 1) -> list[Workspace]:
    return [Workspace(f"dev{n:02d}", seed) for n in range(1, WORKSPACES + 1)]
