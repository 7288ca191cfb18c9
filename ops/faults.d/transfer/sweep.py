"""What every fault test does after its fault: run again, check, look for itself, run once more; and evidence if it fails."""

from __future__ import annotations

import json
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from verify import Verifier
from wires import Calm, Step
from world import Ended, Place, World

RUNS_TO_THE_END_MAX = 2
# A fault that does not happen is tried so often.
TRIES_MAX = 3
READING = (" GET ", " HEAD ", "search", "/get", "get-")
# What a run reports that found it and put it right.
MENDED = {"marketplace_version_deleted", "export_rotten", "marketplace_drift"}
WORLD_POINTS = 20


class Notes(Calm):
    """Lets everything pass and counts the steps."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()

    def request(self, step: Step) -> None:
        self.steps[step.name] += 1

    def writes(self) -> list[str]:
        """Requests to a registry or a bucket that change something."""
        return [name for name in self.steps if not name.startswith("database") and not any(word in name for word in READING)]


@dataclass
class Tally:
    """Figures by name, and what failed."""

    tried: Counter = field(default_factory=Counter)
    survived: Counter = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    # How many runs it took to be done.
    runs: Counter = field(default_factory=Counter)

    def figures(self) -> list[dict]:
        return [{"name": name, "tried": self.tried[name], "survived": self.survived[name]} for name in self.tried]

    def table(self) -> None:
        width = max(map(len, self.tried), default=0)
        print(f"  {'':{width}}  tried  survived")
        for name in sorted(self.tried):
            mark = "" if self.tried[name] == self.survived[name] else "  ✗"
            print(f"  {name:{width}}  {self.tried[name]:5}  {self.survived[name]:8}{mark}")


def aftermath(world: World, verifier: Verifier) -> tuple[list[str], int]:
    """Runs again to the end, and everything that must hold then. Returns what does not, and how many runs it took."""
    world.place.board.plan = Calm()
    problems: list[str] = []
    for number in range(1, RUNS_TO_THE_END_MAX + 1):
        ended = world.run("sync")
        problems = [f"run {number} after it ended with {ended.status}: {said(ended)}"] if failed(ended) else look(world, verifier)
        if not problems:
            break
    return problems or quiet(world, verifier), number


def look(world: World, verifier: Verifier) -> list[str]:
    check = world.run("check", "--read-data")
    problems = verifier.problems()
    if check.status != 0 or check.report.get("violations"):
        problems.append(f"check ended with {check.status}: {json.dumps(check.report.get('violations'))} {check.errors[-500:]}")
    return problems


def quiet(world: World, verifier: Verifier) -> list[str]:
    """One more run has nothing to do: it says that it looked, and writes nothing anywhere."""
    before = verifier.last_sequence()
    notes = world.place.board.plan = Notes()
    ended = world.run("sync")
    world.place.board.plan = Calm()
    appended = verifier.appended_since(before)
    if ended.status == 0 and dict(appended) == {"WorkspaceObserved": 1} and not notes.writes():
        return []
    return [f"one more run is not quiet: status {ended.status}, {dict(appended)}, {notes.writes()} {said(ended)}"]


def failed(ended: Ended, besides: Collection[str] = ()) -> bool:
    """Whether it left something undone: it may have more to say than that, of what people did and it mended, or `besides`."""
    return ended.status not in (0, 3) or ended.is_busy or bool(set(codes(ended)) - MENDED - set(besides))


def codes(ended: Ended) -> list[str]:
    report = ended.report.get("workspaces", [])
    errors = [item.get("error") for workspace in report for item in workspace["items"]] + [workspace.get("error") for workspace in report]
    return [error["code"] for error in [*errors, ended.report.get("marketplace_error")] if error]


def said(ended: Ended) -> str:
    report = ended.report.get("workspaces", [])
    errors = [item["error"] for workspace in report for item in workspace["items"] if item.get("error")]
    rest = [each for each in [*(workspace.get("error") for workspace in report), ended.report.get("marketplace_error")] if each]
    return json.dumps(errors + rest) + ended.errors[-800:]


class Worlds:
    """Worlds in which faults happen, a new one every so often and after each failure."""

    def __init__(self, place: Place, tally: Tally, script: str, storage: Path | None = None):
        self.storage = storage
        self.place = place
        self.tally = tally
        self.script = script
        self.world: World | None = None
        self.points = 0
        # How often the fault of the moment was tried and did not happen.
        self.tries = 0

    def current(self) -> World:
        """The world to work in, with work to do in it."""
        if self.world is None or self.points >= WORLD_POINTS:
            self.unseen()
            self.world.settle()
        self.points += 1
        self.world.change()
        return self.world

    def unseen(self) -> World:
        """A new world whose models no sync has seen."""
        self.place.board.plan = Calm()
        self.leave(kept=False)
        self.world = World(self.place, self.storage)
        self.world.seed()
        self.verifier = Verifier(self.world)
        self.points = 0
        return self.world

    def leave(self, kept: bool) -> None:
        if not kept and self.world is not None:
            for each in self.world.folders:
                shutil.rmtree(each, ignore_errors=True)
            self.place.psql("postgres", f"drop database if exists {self.world.name} with (force)")
        self.world = None

    def insist(self, name: str, again: str, harm: Callable[[World], bool]) -> None:
        """One fault, tried again while it does not happen. One that never does was tried, and nothing survived it."""
        for self.tries in range(TRIES_MAX):
            if self.attempt(name, again, harm):
                return
        self.tally.tried[name] += 1
        self.tally.failures.append(name)
        print(f"✗ did not happen in {TRIES_MAX} tries: {name}", flush=True)

    def attempt(self, name: str, again: str, harm: Callable[[World], bool | list[str]], unseen: bool = False) -> bool:
        """One fault in a world, or several: `harm` does it and says whether it happened, or the names of what did; then
        all must be well. Returns whether anything came of it that counts."""
        world = self.unseen() if unseen else self.current()
        try:
            happened = harm(world)
            names = (isinstance(happened, list) and happened) or [name]
            problems, runs = aftermath(world, self.verifier)
            if not happened and not problems:
                return False
            self.tally.runs[runs] += 1
        except Exception:
            names = [name]
            problems = [traceback.format_exc()]
        if unseen:
            self.points = WORLD_POINTS
        self.tally.tried.update(names)
        if not problems:
            self.tally.survived.update(names)
            return True
        self.place.board.plan = Calm()
        self.fell(world, name, again, problems)
        return True

    def fell(self, world: World, name: str, again: str, problems: list[str]) -> None:
        evidence = self.keep(world, problems)
        self.tally.failures.append(name)
        print(f"✗ {name}\n    " + "\n    ".join(problems)[:3000], flush=True)
        print(f"    evidence: {evidence}\n    again: ops/faults {self.script} {again}", flush=True)
        self.leave(kept=True)

    @staticmethod
    def keep(world: World, problems: list[str]) -> Path:
        """What the runs said lies in the world's directory already; beside it the ledger and what the registries hold."""
        evidence = world.directory / "evidence"
        evidence.mkdir(exist_ok=True)
        (evidence / "problems.txt").write_text("\n".join(problems))
        try:
            events = world.rows("select sequence, recorded_at, stream, version, id, type, run, data from ledger.events order by workspace, sequence")
            (evidence / "events.json").write_text("\n".join(json.dumps(each) for each in events))
            for name, registry in (("source", world.source), ("marketplace", world.market)):
                (evidence / f"{name}.json").write_text(json.dumps(registry.models(), indent=1))
        except Exception:
            (evidence / "incomplete.txt").write_text(traceback.format_exc())
        return evidence
