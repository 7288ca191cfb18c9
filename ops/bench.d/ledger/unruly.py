"""Histories in which everything happens to models that can: the events of `mix`, and among them every other type that the
projections take in.

Aliases that wander, renames, deletions, versions created again under their number, rules that change, workspaces that go and
come back, exports found wrong, imports lost, failures, withdrawals, rollbacks; data that is written otherwise than the jobs write it.
Not every one of them would be appended by a job in this order; what the projections make of them is defined all the same.
"""

from __future__ import annotations

import uuid

from mix import STAGES, Event, Model, Version, Workspace, WORKSPACES

SHARE = 0.2
ALIASES = ("champion", "challenger", "shadow")
RULES = (
    {"aliases": ["champion"], "stages": ["Production"]},
    {"aliases": [], "stages": ["Production", "Staging"]},
    {"aliases": ["challenger", "champion"], "stages": []},
    {"aliases": ["shadow"], "stages": ["Staging", "Production"]},
)
FAILURES = (("missing_mlmodel", "No MLmodel: \"nothing\" here, 100 % sure.", False), ("storage_full", "The storage is full;\nnothing was written.", True))


class UnrulyWorkspace(Workspace):
    def next(self, models: list[Model]) -> Event:
        if self.chance.random() >= SHARE:
            return super().next(models)
        self.now += 1_000
        if self.chance.random() < 0.01:
            return self.written_otherwise()
        model = self.any(models, lambda m: m.versions)
        # the rule changes rarely: each change is a point for every model
        if model is None or self.chance.random() < 0.002:
            return self.reconnect()
        kinds = (self.AliasAssigned, self.AliasRemoved, self.ModelRenamed, self.ModelVersionDeleted, self.created_again, self.ExportFailed,
                 self.ExportInvalidated, self.ImportFailed, self.ImportLost, self.withdrawn, self.rolled_back, self.MarketplaceDriftFound,
                 self.unreadable)
        return self.chance.choice(kinds)(model, self.chance.choice(model.versions[-5:]))

    def written_otherwise(self) -> Event:
        """White space, null, escapes, a number as text, a UUID in capitals: what another program may write."""
        model = self.chance.choice(self.models)
        number = self.chance.randrange(1, 4)
        text = self.chance.choice((
            f'  {{ "model" : "{model.id.upper()}", "version": {number}, "tags": null, "signature": null, "description": 1.50 }} ',
            f'{{"model":"{model.id}","owner":"Zo\\u00eb \\"Z\\"","tags":{{ "a\\/b" : "\\u00e9" }},"description":null}}',
            f'{{"model":"{model.id}","version":"{number}","flavors":["sk\\u006cearn",null],"signature":"a\\/b"}}'))
        event = self.event("ModelDescribed", model, {})
        event.data = text.encode()
        return event

    def reconnect(self) -> Event:
        if self.chance.random() < 0.3:
            return self.event("WorkspaceDisconnected", None, {"reason": "the team moved"})
        return self.event("WorkspaceConnected", None, {"registry": f"https://{self.name}.example.org", "kind": "mlflow",
                                                       "promoted": self.chance.choice(RULES)})

    def unreadable(self, *_) -> Event:
        data = {"outcome": "unreadable", "reason": "unreachable", "message": "Nobody answers.", "models": len(self.models), "versions": 0,
                "changes": 0, "observed_from": self.now - 900, "observed_to": self.now}
        return self.event("WorkspaceObserved", None, data)

    def AliasAssigned(self, model: Model, version: Version) -> Event:
        return self.event("AliasAssigned", model, self.of(model, version) | self.bracket() | {"alias": self.chance.choice(ALIASES)})

    def AliasRemoved(self, model: Model, version: Version) -> Event:
        data = {"model": model.id, "name": model.name, "version": version.number, "alias": self.chance.choice(ALIASES)}
        return self.event("AliasRemoved", model, data | self.bracket())

    def ModelRenamed(self, model: Model, _) -> Event:
        before, model.name = model.name, f"{model.name.partition('~')[0]}~{self.chance.randrange(100)}"
        return self.event("ModelRenamed", model, {"model": model.id, "from": before, "to": model.name} | self.bracket())

    def ModelVersionDeleted(self, model: Model, version: Version) -> Event:
        return self.event("ModelVersionDeleted", model, self.of(model, version) | self.bracket())

    def StageTransitioned(self, models: list[Model]) -> Event | None:
        event = super().StageTransitioned(models)
        if event is not None and self.chance.random() < 0.5:
            event.data = event.data[:-1] + f',"source_time":{self.now - self.chance.randrange(9_000)}}}'.encode()
        return event

    def created_again(self, model: Model, version: Version) -> Event:
        """The same number, another creation time: another version."""
        again = Version(version.number, self.now, self.chance.choice(("None", *STAGES)))
        model.versions.append(again)
        return self.event("ModelVersionRegistered", model, self.of(model, again) | self.bracket() | {"model_created": model.created})

    def of_transfer(self, model: Model, version: Version) -> dict:
        return self.of(model, version) | {"generation": self.chance.choice((1, 1, 1, 2))}

    def failure(self) -> dict:
        code, message, retriable = self.chance.choice(FAILURES)
        return {"code": code, "message": message, "retriable": retriable}

    def ExportFailed(self, model: Model, version: Version) -> Event:
        return self.event("ExportFailed", model, self.of_transfer(model, version) | self.failure())

    def ImportFailed(self, model: Model, version: Version) -> Event:
        export = version.exported or str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        data = {"export_id": export, "target": self.target()}
        return self.event("ImportFailed", model, self.of_transfer(model, version) | self.failure() | data)

    def target(self) -> str:
        return self.chance.choice(("marketplace", "marketplace", "marketplace", "elsewhere"))

    def ExportInvalidated(self, model: Model, version: Version) -> Event:
        data = {"export_id": version.exported, "reason": "conda.yaml is not what the manifest says"}
        if version.exported is None:
            return self.ExportFailed(model, version)
        if self.chance.random() < 0.7:
            model.waiting_export.append(version)
        return self.event("ExportInvalidated", model, self.of_transfer(model, version) | data)

    def ImportLost(self, model: Model, version: Version) -> Event:
        if version.imported is None:
            return self.ImportFailed(model, version)
        data = {"target": self.target(), "marketplace_name": f"{self.name}.{model.name}", "marketplace_version": version.imported,
                "reason": "deleted by hand"}
        if self.chance.random() < 0.7:
            model.waiting_import.append(version)
        return self.event("ImportLost", model, self.of_transfer(model, version) | data)

    def promoted(self, model: Model, cause: str, more: dict) -> Event:
        data = {"model": model.id, "name": model.name, "target": self.target(), "cause": cause, "marketplace_name": f"{self.name}.{model.name}"}
        return self.event("MarketplacePromotionSet", model, data | more)

    def withdrawn(self, model: Model, _) -> Event:
        model.available = None
        return self.promoted(model, "withdrawal", {"from": 1})

    def rolled_back(self, model: Model, version: Version) -> Event:
        to = self.chance.choice(model.imported) if model.imported else version
        model.available = to
        return self.promoted(model, "rollback", {"to": to.imported or 1, "version": to.number})

    def MarketplaceDriftFound(self, model: Model, _) -> Event:
        data = {"model": model.id, "name": model.name, "target": "marketplace", "marketplace_name": f"{self.name}.{model.name}",
                "kind": "promotion", "found": "stage: none", "expected": "stage: v1"}
        return self.event("MarketplaceDriftFound", model, data)


def unruly_workspaces(seed: int) -> list[UnrulyWorkspace]:
    return [UnrulyWorkspace(f"dev{n:02d}", seed) for n in range(1, WORKSPACES + 1)]
