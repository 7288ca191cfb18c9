"""The fold of one model's events into the rows of the projections, event by event, by the rules of the documentation (The catalog
in SQL). Plain Python: fold_events.py runs it within Spark's partitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from event_data import fields_of, json_of, members, text_in, time_of, uuid_of


def words(value: Any) -> str:
    """As SQL's `format` has it: nothing for null."""
    return "" if value is None else str(value)


def latest(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)


class Rule(NamedTuple):
    """What counts as promoted from an event of the workspace on."""

    sequence: int
    recorded: int
    type: str
    aliases: list[str]
    stages: list[str]
    # Whether it is another than the one before; until when the workspace had last been read.
    changed: bool
    read_until: int | None


class Workspace(NamedTuple):
    rules: list[Rule]
    read_until: int | None


class Moment(NamedTuple):
    """The event that began or ended a spell, and the two observations between which that happened."""

    sequence: int
    recorded: int
    not_before: int | None
    not_after: int | None
    cause: str
    source_time: int | None = None


@dataclass
class Spells:
    """What was so, one spell after the other."""

    value: Any = None
    began: Moment | None = None
    ended: list[tuple[Any, Moment, Moment]] = field(default_factory=list)

    def begin(self, value: Any, moment: Moment) -> None:
        if self.began is not None:
            self.ended.append((self.value, self.began, moment))
        self.value, self.began = value, moment

    def all(self) -> Iterator[tuple[Any, Moment, Moment | None]]:
        yield from self.ended
        if self.began is not None:
            yield self.value, self.began, None


class Attempt:
    """An export or an import, made or failed; and what ended what was made."""

    __slots__ = ("data", "event", "ended", "reason")

    def __init__(self, data: dict[str, Any], event: Any):
        self.data, self.event = data, event
        self.ended: Any = None
        self.reason: str | None = None

    @property
    def live(self) -> bool:
        return self.ended is None


class Model:
    """One incarnation of a model, event by event."""

    def __init__(self, workspace: str, model: str, context: Workspace):
        self.workspace, self.model, self.context = workspace, model, context
        self.rules = iter(context.rules)
        self.next_rule = next(self.rules, None)
        self.rule: Rule | None = None
        self.names = Spells()
        self.stages: dict[tuple[int, int], Spells] = {}
        self.standing: dict[str | None, set[tuple[int, int]]] = {}
        self.aliases: dict[str, Spells] = {}
        self.current = Spells()
        self.promotions: dict[str, Spells] = {}
        self.exports: list[Attempt] = []
        self.imports: list[Attempt] = []
        self.export_failures: list[Attempt] = []
        self.import_failures: list[Attempt] = []
        # The creation time of the version that has a number now; the newest description of each version, 0 for the model.
        self.registered: dict[int, int] = {}
        self.seen: set[tuple[int, int]] = set()
        self.described: dict[tuple[int, int | None], Any] = {}

    # Events, in order

    def take(self, event: Any) -> None:
        self.follow_rules(event.sequence)
        data = fields_of(event)
        moment = Moment(event.sequence, event.recorded, time_of(data.get("not_before")), time_of(data.get("not_after")), event.type,
                        time_of(data.get("source_time")))
        match event.type:
            case "ModelVersionRegistered":
                self.rename(data.get("name"), moment)
                self.register(data["version"], data["created"])
                self.stage(data, "None", moment)
            case "StageTransitioned":
                self.stage(data, data.get("to", "None"), moment)
            case "ModelVersionDeleted":
                self.stage(data, None, moment)
            case "ModelRenamed":
                self.rename(data.get("to"), moment)
            case "AliasAssigned" | "AliasRemoved":
                to = (data.get("version"), data.get("created")) if event.type == "AliasAssigned" else (None, None)
                self.aliases.setdefault(data["alias"], Spells()).begin(to, moment)
                self.decide(moment)
            case "ModelDescribed":
                number = data.get("version", 0)
                self.described[number, self.registered.get(number)] = event
                if number == 0:
                    self.described[0, None] = event
            case "ModelExported":
                self.exports.append(Attempt(data, event))
            case "ExportFailed":
                self.export_failures.append(Attempt(data, event))
            case "ExportInvalidated":
                self.end(self.exports, ("version", "created", "generation"), data, event)
            case "ModelImported":
                self.imports.append(Attempt(data, event))
            case "ImportFailed":
                self.import_failures.append(Attempt(data, event))
            case "ImportLost":
                self.end(self.imports, ("version", "created", "generation", "target"), data, event)
                shown = self.promotions.get(data.get("target"))
                if shown and shown.value["to"] is not None and shown.value["to"] == data.get("marketplace_version"):
                    shown.begin(shown.value | {"to": None, "version": None}, moment._replace(cause="lost"))
            case "MarketplacePromotionSet":
                to = data.get("to")
                value = {"to": to, "version": None if to is None else data.get("version"), "name": data.get("marketplace_name")}
                self.promotions.setdefault(data["target"], Spells()).begin(value, moment._replace(cause=data.get("cause", "promotion")))

    def follow_rules(self, sequence: int) -> None:
        """Connections of the workspace that came before this event."""
        while self.next_rule is not None and self.next_rule.sequence < sequence:
            rule = self.rule = self.next_rule
            self.next_rule = next(self.rules, None)
            if rule.changed:
                before = None if rule.read_until is None else min(rule.read_until, rule.recorded)
                self.decide(Moment(rule.sequence, rule.recorded, before, rule.recorded, rule.type))

    def rename(self, name: str | None, moment: Moment) -> None:
        if name != self.names.value:
            self.names.begin(name, moment)

    def register(self, number: int, created: int) -> None:
        if (number, created) not in self.seen:
            self.seen.add((number, created))
            self.registered[number] = created

    def stage(self, data: dict[str, Any], stage: str | None, moment: Moment) -> None:
        version = data["version"], data["created"]
        spells = self.stages.setdefault(version, Spells())
        self.standing.get(spells.value, set()).discard(version)
        self.standing.setdefault(stage, set()).add(version)
        spells.begin(stage, moment)
        self.decide(moment)

    @staticmethod
    def end(copies: list[Attempt], keys: tuple[str, ...], data: dict[str, Any], event: Any) -> None:
        for copy in copies:
            if copy.live and all(copy.data.get(key) == data.get(key) for key in keys):
                copy.ended, copy.reason = event, data.get("reason")

    def decide(self, moment: Moment) -> None:
        """The one version that the source means: an alias counts before every stage, then the highest version."""
        meant = None
        if self.rule is not None:
            aliased = [(self.rule.aliases.index(alias), spells.value) for alias, spells in self.aliases.items()
                       if alias in self.rule.aliases and spells.value in self.stages and self.stages[spells.value].value is not None]
            staged = [(place, version) for place, stage in enumerate(self.rule.stages) if stage is not None
                      for version in self.standing.get(stage, ())]
            meant = min(aliased or staged, key=lambda one: (one[0], -one[1][0], -one[1][1]), default=(0, None))[1]
        if meant != self.current.value:
            self.current.begin(meant, moment)

    # Rows

    def rows(self) -> Iterator[tuple[str, tuple]]:
        self.follow_rules(1 << 63)
        self.name = self.names.value
        yield from (("export_summary", row) for row in self.export_rows())
        yield from (("import_summary", row) for row in self.import_rows())
        for (version, created), spells in self.stages.items():
            for stage, began, ended in spells.all():
                if stage is not None:
                    yield "stage_history", (*self.subject(), version, time_of(created), stage, *self.spell(began, ended),
                                            *self.spans(began, ended), began.source_time)
        for alias, spells in self.aliases.items():
            for (version, created), began, ended in spells.all():
                if version is not None:
                    yield "alias_history", (*self.subject(), alias, version, time_of(created), *self.spell(began, ended),
                                            *self.spans(began, ended))
        for meant, began, ended in self.current.all():
            if meant is not None:
                yield "production_history", (*self.subject(), meant[0], time_of(meant[1]), *self.spell(began, ended),
                                             *self.spans(began, ended), began.cause, ended and ended.cause)
        for target, spells in self.promotions.items():
            for value, began, ended in spells.all():
                if value["to"] is not None:
                    yield "availability_history", (*self.subject(), target, value["name"], value["to"], value["version"],
                                                   *self.spell(began, ended), began.cause, ended and ended.cause)
        # a model that its source promotes, or that the marketplace shows still
        _, shown = self.shown()
        if self.current.value is not None or shown and shown.value["to"] is not None:
            yield "catalog", self.catalog_row()

    def subject(self) -> tuple:
        return self.workspace, self.model, self.name

    @staticmethod
    def spell(began: Moment, ended: Moment | None) -> tuple:
        return began.sequence, ended and ended.sequence, began.recorded, ended and ended.recorded

    def spans(self, began: Moment, ended: Moment | None) -> tuple:
        """When it was certainly so, and when it may have been: lower bound, upper bound, and whether it holds nothing."""
        until = self.context.read_until if ended is None else ended.not_before
        certain = (None, None, True)
        if began.not_after is not None and until is not None and began.not_after < until:
            certain = (began.not_after, until, False)
        possible = (began.not_before, ended and ended.not_after, False)
        if began.not_before is not None and possible[1] is not None and began.not_before >= possible[1]:
            possible = (None, None, True)
        return *certain, *possible

    @staticmethod
    def open_failures(failures: list[Attempt], copies: list[Attempt], keys: tuple[str, ...]) -> list[Attempt]:
        """The newest failure of each subject, unless it succeeded since."""
        newest = {tuple(failure.data.get(key) for key in keys): failure for failure in failures}
        done: dict[tuple, int] = {}
        for copy in copies:
            done[tuple(copy.data.get(key) for key in keys)] = copy.event.sequence
        return [failure for subject, failure in newest.items() if failure.event.sequence > done.get(subject, 0)]

    def copy_row(self, copy: Attempt, fields: Iterable[Any], ended: tuple) -> tuple:
        data, event = copy.data, copy.event
        return (*self.subject(), data["version"], time_of(data["created"]), data.get("generation"), *fields, *ended, event.run,
                event.principal, event.sequence, event.recorded)

    def export_rows(self) -> Iterator[tuple]:
        what = ("export_id", "uri", "manifest_sha256", "model_sha256", "files", "bytes")
        for copy in self.exports:
            state = ("live", None, None) if copy.live else ("invalidated", copy.reason, None)
            yield self.copy_row(copy, (*state, *(copy.data.get(key) for key in what)), self.ended(copy))
        for failure in self.open_failures(self.export_failures, self.exports, ("version", "created")):
            yield self.copy_row(failure, (*self.failed(failure), *(None for _ in what)), (None, None))

    def import_rows(self) -> Iterator[tuple]:
        what = ("marketplace_name", "marketplace_version", "marketplace_run_id", "manifest_sha256")
        for copy in self.imports:
            state = ("live", None, None) if copy.live else ("lost", copy.reason, None)
            yield self.copy_row(copy, (copy.data.get("target"), *state, copy.data.get("export_id"),
                                       *(copy.data.get(key) for key in what)), self.ended(copy))
        for failure in self.open_failures(self.import_failures, self.imports, ("version", "created", "target")):
            yield self.copy_row(failure, (failure.data.get("target"), *self.failed(failure), failure.data.get("export_id"),
                                          *(None for _ in what)), (None, None))

    @staticmethod
    def ended(copy: Attempt) -> tuple:
        return (None, None) if copy.ended is None else (copy.ended.sequence, copy.ended.recorded)

    @staticmethod
    def failed(failure: Attempt) -> tuple:
        return "failed", f"{words(failure.data.get('code'))}: {words(failure.data.get('message'))}", failure.data.get("retriable")

    @staticmethod
    def newest(copies: list[Attempt], fits: Any, after: int = 0) -> Attempt | None:
        return next((copy for copy in reversed(copies) if copy.event.sequence > after and fits(copy.data)), None)

    def shown(self) -> tuple[str | None, Spells | None]:
        """What can be loaded, in the target that moved last."""
        return max(self.promotions.items(), key=lambda item: item[1].began.sequence, default=(None, None))

    def catalog_row(self) -> tuple:
        source, meant = self.current.began, self.current.value
        shown_target, shown = self.shown()
        place = shown.value if shown else {"to": None, "version": None, "name": None}

        def is_meant(data: dict[str, Any]) -> bool:
            return meant is not None and (data["version"], data["created"]) == meant

        def is_meant_here(data: dict[str, Any]) -> bool:
            return is_meant(data) and shown_target in (None, data.get("target"))

        export = self.newest(self.exports, is_meant)
        export_failure = self.newest(self.export_failures, is_meant, export.event.sequence if export else 0)
        imported = self.newest(self.imports, is_meant_here)
        import_failure = self.newest(self.import_failures, is_meant_here, imported.event.sequence if imported else 0)
        loadable = None if place["to"] is None else self.newest(self.imports, lambda data: (
            data["version"], data.get("target"), data.get("marketplace_version")) == (place["version"], shown_target, place["to"]))

        number = place["version"] if place["version"] is not None else meant and meant[0]
        created = loadable.data["created"] if loadable else meant and meant[1]
        held = None
        if loadable:
            held = self.newest(self.exports, lambda data: data["version"] == number and data["export_id"] == loadable.data.get("export_id"))
        elif place["to"] is None and export and export.live:
            held = export
        exported = export is not None and export.live
        failure = import_failure if exported else export_failure
        failed = not (imported and imported.live) and failure is not None

        if meant is None:
            state = "withdrawal pending"
        elif place["version"] == meant[0] and created == meant[1]:
            state = "available"
        elif place["to"] is None:
            state = "failed" if failed else "pending"
        else:
            state = "superseded, successor failed" if failed else "superseded, successor pending"

        since = latest(source and source.recorded, shown and shown.began.recorded)
        if state == "failed":
            since = failure.event.recorded
        elif state.startswith("superseded"):
            since = source.recorded

        about_model = self.described.get((0, None))
        about_version = self.described.get((number, created)) if number is not None and created is not None else None
        of_model = members(about_model.data) if about_model else {}
        of_version = members(about_version.data) if about_version else {}
        facts = [began for began in (source, shown and shown.began, self.names.began, about_model, about_version) if began]
        facts += [copy.event for copy in (held, loadable, export, export_failure, imported, import_failure) if copy]
        facts += [copy.ended for copy in (export, imported) if copy and copy.ended]
        return (
            *self.subject(), place["name"] if place["name"] is not None else imported and imported.data.get("marketplace_name"),
            next((target for target in (shown_target, imported and imported.data.get("target"),
                                        import_failure and import_failure.data.get("target")) if target is not None), None),
            number, meant and meant[0], meant and time_of(meant[1]), place["version"], place["to"], state,
            self.reason(state, export, export_failure, imported, import_failure), since,
            text_in(of_model, "description"), text_in(of_model, "owner"), json_of(of_model.get("tags")), text_in(of_version, "description"),
            json.loads(of_version.get("flavors", "null")), json_of(of_version.get("signature")),
            *(held and held.data.get(key) for key in ("export_id", "uri", "manifest_sha256", "model_sha256", "files", "bytes")),
            max(fact.sequence for fact in facts), max(fact.recorded for fact in facts))

    def reason(self, state: str, export: Attempt | None, export_failure: Attempt | None, imported: Attempt | None,
               import_failure: Attempt | None) -> str | None:
        if state == "available":
            return None
        if state == "withdrawal pending":
            return {
                "ModelVersionDeleted": "the promoted version was deleted at the source",
                "WorkspaceDisconnected": "the workspace was disconnected",
                "WorkspaceConnected": "no version is promoted under the workspace's present rule",
            }.get(self.current.began.cause if self.current.began else "", "the source no longer promotes a version")
        version = self.current.value[0]
        if imported and imported.live:
            return f"version {version} is imported, not promoted yet"
        if not (export and export.live):
            if export_failure:
                return (f"version {version}: export failed ({words(export_failure.data.get('code'))}): "
                        f"{words(export_failure.data.get('message'))}")
            if export:
                return f"version {version}: its export was found unusable ({words(export.reason)}); exported again by the next run"
            return f"version {version} is not exported yet"
        if import_failure:
            return (f"version {version}: import failed ({words(import_failure.data.get('code'))}): "
                    f"{words(import_failure.data.get('message'))}")
        if imported:
            return f"version {version} was lost from the marketplace ({words(imported.reason)}); imported again by the next run"
        return f"version {version} is exported, not imported yet"


def fold_models(events: Iterable[Any], workspaces: dict[str, tuple]) -> Iterator[tuple[str, tuple]]:
    """Events of some models, those of a model one after the other."""
    for (workspace, identity), of_model in groupby(events, key=lambda event: (event.workspace, event.model)):
        rules, read_until = workspaces.get(workspace, ([], None))
        model = Model(workspace, uuid_of(identity), Workspace([Rule(*rule) for rule in rules], read_until))
        for event in of_model:
            model.take(event)
        yield from model.rows()
