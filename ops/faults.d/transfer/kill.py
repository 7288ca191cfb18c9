"""ops/faults kill: SIGKILL at every step of export, import and follow, of the real process, with no hook in it.

usage: kill.py PROGRAM DIRECTORY CLUSTER SOURCE_URL MARKETPLACE_URL [--rounds N] [--short] [--seed N] [--storage s3]
               [--signal TERM] [--only NAME MOMENT [OCCURRENCE] [--then NAME MOMENT [OCCURRENCE]]…]

A step is a request that passes one of the proxies: to the source, to the marketplace, to PostgreSQL; and a file that
appears in the store. With `--storage s3` the store is a bucket of the server at S3_RCLONE_URL, whose folder is
DIRECTORY/s3/rclone, and a fourth proxy stands before it: then the requests to it are the steps. Scout runs list the
steps. Then the process is killed at each: before the request is forwarded; midway through the bytes of an artifact, and
of whatever a bucket is sent or sends; when the server has answered and the client does not know yet.

In the first round each point is alone: one kill, and then all must be well. In later rounds a point is at any time its
step comes, and three of them come one after another, the earlier ones first, so that each run goes on from what the one
before was killed in. A point that is not reached has not been survived.

With `--signal TERM` the process is asked to end at each point instead, and the step goes on. It has to end by itself in
time, with 143 (or with 0 where all had been done), to print one whole report, and to leave no lock and no half file. At a
few points more it is asked twice, and has to end at once, or asked and then killed at a later step: `--signal TERM,TERM`
and `--signal TERM,KILL` do only that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from sweep import Tally, Worlds, said
from wires import Calm, Cut, Step
from world import Ended, Place, Run, World, wait_until

SHORT_SECONDS = 90
KILLS_IN_A_ROW = 3
KILL, TERM, TERM_TERM, TERM_KILL = SIGNALS = ("KILL", "TERM", "TERM,TERM", "TERM,KILL")
# What the program says when it has heard the first SIGTERM.
HEARD = "finishing what is begun"
HEARD_DEADLINE_S = 10
END_DEADLINE_S = 60
AT_ONCE_DEADLINE_S = 10
UNLOCKED_DEADLINE_S = 30
TERMINATED = 143
LAST_STEP = "database: disconnect"
REPORT = "marketplace.sync/1"
REACHED = "points reached"
# Where the program waits for an answer, so that it still runs when more comes after the first SIGTERM.
TWICE = (("source: GET artifacts/…", "midway"), ("marketplace: PUT artifacts/…", "midway"),
         ("marketplace: POST model-versions/create", "after"), ("marketplace: POST runs/create", "before"))
MIDWAY_BYTES_MIN = 4096
PARTS, FILES = "storage: a file begins", "storage: a file is whole"
FIRST = "first sync, "
CHANGING = ("create", "append", "PUT", "storage", "set", "transition")


class Trap(Calm):
    """Counts each step's moments, and springs at one of them, once."""

    def __init__(self, name: str = "", moment: str = "", occurrence: int = 0, signals: str = KILL):
        self.wanted = (name, moment)
        self.occurrence = occurrence
        self.signals = signals
        self.seen: Counter[tuple[str, str]] = Counter()
        self.lock = threading.Lock()
        self.run: Run | None = None
        self.has_run = threading.Event()
        self.sprung = False
        # Whether all signals were sent, and when the last one was.
        self.is_done = False
        self.sent_at = 0.0
        # From then to the end of the process.
        self.seconds = 0.0
        self.kills_next = False

    def at(self, name: str, moment: str) -> None:
        with self.lock:
            self.seen[name, moment] += 1
            if self.kills_next:
                self.kills_next = False
                self.kill()
            if self.sprung or (name, moment) != self.wanted or self.seen[name, moment] != self.occurrence:
                return
            self.sprung = True
        self.has_run.wait()
        if self.signals == KILL:
            self.kill()
        self.ask()
        if self.signals == TERM:
            self.is_done = True
        elif self.signals == TERM_KILL:
            self.kills_next = True
        else:
            self.ask()
            self.is_done = True
            self.await_run(self.has_ended, AT_ONCE_DEADLINE_S)
            raise Cut

    def kill(self) -> None:
        self.is_done = True
        self.run.kill()
        raise Cut

    def ask(self) -> None:
        """SIGTERM, and the step is held until it was heard, or until the process has ended."""
        self.sent_at = time.monotonic()
        self.run.process.terminate()
        self.await_run(lambda: self.is_heard() or self.has_ended(), HEARD_DEADLINE_S)

    @staticmethod
    def await_run(condition: Callable[[], bool], deadline_s: float) -> None:
        """Whoever judges the run sees that it took too long."""
        with contextlib.suppress(TimeoutError):
            wait_until(condition, deadline_s, "")

    def is_heard(self) -> bool:
        return HEARD in self.run.err.read_text(errors="replace")

    def has_ended(self) -> bool:
        return self.run.process.poll() is not None

    def request(self, step: Step) -> None:
        self.at(step.name, "before")

    def passing(self, step: Step, direction: str, piece: bytes) -> None:
        size = step.sizes.get(direction)
        is_artifact = "artifacts/…" in step.name and (size is None or size >= MIDWAY_BYTES_MIN)
        if not is_artifact and not step.name.startswith("storage"):
            return
        passed = step.passed[direction]
        if not step.sizes.get("midway") and passed + len(piece) > (size or 2 * MIDWAY_BYTES_MIN) // 2:
            step.sizes["midway"] = 1
            self.at(step.name, "midway")

    def parts(self, piece: bytes) -> Iterable[bytes]:
        """In halves, so that a body of one piece has a middle too."""
        half = len(piece) // 2
        return filter(None, (piece[:half], piece[half:]))

    def answered(self, step: Step) -> None:
        self.at(step.name, "after")

    def watch(self, storage: Path) -> None:
        """Looks for new files in the store until the process has ended."""
        known = set(entries(storage))
        while self.run.process.poll() is None:
            for path in set(entries(storage)) - known:
                known.add(path)
                name = os.path.basename(path)
                try:
                    self.at(PARTS if name.startswith(".") and name.endswith(".part") else FILES, "after")
                except Cut:
                    return


def entries(folder: os.PathLike | str) -> list[str]:
    """Every file below a folder, as it is at the moment."""
    found = []
    try:
        for each in os.scandir(folder):
            found += entries(each.path) if each.is_dir(follow_symlinks=False) else [each.path]
    except FileNotFoundError:
        pass
    return found


def killed_run(world: World, trap: Trap) -> Ended:
    world.place.board.plan = trap
    trap.run = world.start("sync")
    trap.has_run.set()
    # A bucket's files appear by requests, which are steps already.
    watchers = [] if world.place.storage else [threading.Thread(target=trap.watch, args=(world.storage,))]
    for each in watchers:
        each.start()
    ended = trap.run.wait()
    ended_at = time.monotonic()
    for each in watchers:
        each.join()
    world.place.board.plan = Calm()
    trap.seconds = ended_at - trap.sent_at
    return ended


def half_files(world: World) -> set[str]:
    return {path for path in entries(world.storage) if path.endswith(".part")}


def locks(world: World) -> str:
    """The advisory locks that anybody holds in this world."""
    return world.psql("""select string_agg(objid::text, ' ') from pg_locks
        where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())""")


def asked_to_end(world: World, trap: Trap, ended: Ended, halves: set[str]) -> list[str]:
    """What a run that was asked to end did not keep of what is promised; `halves` are the half files from before it."""
    problems: list[str] = []
    is_at_once = trap.signals == TERM_TERM
    is_late = ended.status == 0 and (not trap.is_heard() or trap.wanted[0] == LAST_STEP)
    if trap.signals == TERM_KILL:
        if ended.status != -signal.SIGKILL:
            problems.append(f"killed after SIGTERM it ended with {ended.status}")
    elif ended.status != TERMINATED and not is_late:
        problems.append(f"SIGTERM ended it with {ended.status}: {said(ended)}")
    elif trap.seconds > (AT_ONCE_DEADLINE_S if is_at_once else END_DEADLINE_S):
        problems.append(f"it ended {trap.seconds:.0f} s after {'the second' if is_at_once else 'the'} SIGTERM")
    report = ended.report
    if trap.signals == TERM and (report.get("schema"), report.get("exit_code")) != (REPORT, ended.status):
        problems.append(f"no report, or one of another end: {json.dumps(report)[:500]}")
    if trap.signals == TERM and (more := half_files(world) - halves):
        problems.append(f"half files were left: {sorted(more)}")
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not locks(world), UNLOCKED_DEADLINE_S, "")
    if held := locks(world):
        problems.append(f"locks are held: {held}")
    return problems


@dataclass(frozen=True)
class Point:
    """Where to kill, and how: a moment of a step, at one of the times it comes."""

    name: str
    moment: str
    occurrence: int = 1
    signals: str = KILL

    @property
    def is_first(self) -> bool:
        """Whether it is of the first sync of a workspace."""
        return self.name.startswith(FIRST)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.moment}" + ("" if self.signals == KILL else f" ({self.signals})")

    def trap(self) -> Trap:
        return Trap(self.name.removeprefix(FIRST), self.moment, self.occurrence, self.signals)

    def __str__(self) -> str:
        return f'"{self.name}" {self.moment} {self.occurrence}'


class Sweep:
    """Every point, round after round."""

    def __init__(self, worlds: Worlds, seed: int, signals: str):
        self.worlds = worlds
        self.signals = signals
        self.chance = random.Random(seed)
        # How often each moment of each step came in the scout runs.
        self.counts: dict[tuple[str, str], int] = {}
        # How long it took to end by itself, at the most.
        self.seconds = 0.0

    def scout(self) -> None:
        """Lists the steps of a first sync and of one with work of every kind."""
        world = self.worlds.unseen()
        first, steady = Trap(), Trap()
        killed_run(world, first)
        world.settle()
        killed_run(self.worlds.current(), steady)
        self.counts = dict(steady.seen)
        self.counts |= {(FIRST + name, moment): count for (name, moment), count in first.seen.items()
                        if (name, moment) not in steady.seen}

    def round(self, points: list[tuple[str, str]], number: int, deadline: float | None) -> None:
        """Every point once."""
        def is_over() -> bool:
            return deadline is not None and time.monotonic() > deadline

        for name, moment, signals in self.extra(is_short=deadline is not None):
            self.note(Point(name, moment), self.alone(name, moment, anywhere=number > 0, signals=signals))
        if number == 0:
            for name, moment in points:
                if is_over():
                    return
                self.note(Point(name, moment), self.alone(name, moment, anywhere=name.startswith("storage")))
            return
        for chain in self.chains(points):
            if is_over():
                return
            reached = self.kill([Point(*each, self.chance.randint(1, self.counts[each]), self.signals) for each in chain])
            there = {(point.name, point.moment) for point in reached}
            for each in chain:
                self.note(Point(*each), each in there or self.alone(*each, anywhere=True))

    def extra(self, is_short: bool) -> list[tuple[str, str, str]]:
        """Where more than one signal is sent: a few points of those where it is asked to end."""
        if self.signals != TERM:
            return []
        found = [(*point, signals) for signals in (TERM_TERM, TERM_KILL) for point in TWICE if point in self.counts]
        return self.chance.sample(found, 2) if is_short else found

    def note(self, point: Point, is_reached: bool) -> None:
        self.worlds.tally.tried[REACHED] += 1
        self.worlds.tally.survived[REACHED] += is_reached
        if not is_reached:
            print(f"✗ not reached: {point.title}", flush=True)

    def alone(self, name: str, moment: str, anywhere: bool, signals: str | None = None) -> bool:
        """One point by itself; whether it was reached."""
        occurrence = self.chance.randint(1, self.counts[name, moment]) if anywhere else 1
        # A run may have fewer of a step than the scout had: the first is tried then.
        return any(self.kill([Point(name, moment, each, signals or self.signals)]) for each in (occurrence, 1, 1))

    def chains(self, points: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
        """Points by threes, each of another third of a run; those of a first sync by themselves."""
        place = {point: number for number, point in enumerate(self.counts)}
        chains = []
        for some in ([each for each in points if Point(*each).is_first], [each for each in points if not Point(*each).is_first]):
            some.sort(key=lambda each: place[each])
            size = -(-len(some) // KILLS_IN_A_ROW)
            thirds = [some[start:start + size] for start in range(0, len(some), max(1, size))]
            for third in thirds:
                self.chance.shuffle(third)
            chains += [[each for each in chain if each] for chain in zip_longest(*thirds)]
        return chains

    def kill(self, points: list[Point]) -> list[Point]:
        """Kills one run after another, each at its point, and then all must be well. Returns those that were reached."""
        reached: list[Point] = []

        def harm(world: World) -> list[str]:
            for point in points:
                trap = point.trap()
                halves = half_files(world)
                ended = killed_run(world, trap)
                if trap.is_done:
                    reached.append(point)
                    self.judge(world, trap, ended, halves)
            return [point.title for point in reached]

        again = "" if points[0].signals == KILL else f"--signal {points[0].signals} "
        again += f"--only {points[0]}" + "".join(f" --then {point}" for point in points[1:])
        self.worlds.attempt("; ".join(point.title for point in points), again, harm, unseen=points[0].is_first)
        return reached

    def judge(self, world: World, trap: Trap, ended: Ended, halves: set[str]) -> None:
        if trap.signals == KILL:
            return
        if problems := asked_to_end(world, trap, ended, halves):
            raise AssertionError("; ".join(problems))
        self.seconds = max(self.seconds, trap.seconds)

    def points(self, is_short: bool) -> list[tuple[str, str]]:
        """All of them; for a sample, first what changes something."""
        points = sorted(self.counts)
        if is_short:
            self.chance.shuffle(points)
            points.sort(key=lambda point: not any(word in point[0] for word in CHANGING))
        return points


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("binary", "directory", "cluster", "source", "market"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--storage", choices=("file", "s3"), default="file")
    parser.add_argument("--signal", choices=SIGNALS, default=KILL)
    parser.add_argument("--only", nargs="+", metavar="NAME MOMENT [OCCURRENCE]")
    parser.add_argument("--then", nargs="+", action="append", default=[], metavar="NAME MOMENT [OCCURRENCE]")
    return parser.parse_args()


def named(words: list[str], signals: str) -> Point:
    return Point(words[0], words[1], int(words[2]) if len(words) > 2 else 1, signals)


def main() -> None:
    options = parsed()
    s3_url = os.environ["S3_RCLONE_URL"] if options.storage == "s3" else None
    place = Place(options.binary, Path(options.directory), options.cluster, options.source, options.market, s3_url=s3_url)
    tally = Tally()
    worlds = Worlds(place, tally, "kill --storage s3" if s3_url else "kill")
    sweep = Sweep(worlds, options.seed, options.signal)
    if options.only:
        points = [named(each, options.signal) for each in (options.only, *options.then)]
        for _ in range(options.rounds):
            reached = sweep.kill(points)
            for point in points:
                sweep.note(point, point in reached)
    else:
        sweep.scout()
        points = sweep.points(options.short)
        print(f"{len({name for name, _ in points})} steps, {len(points)} points to kill at; {options.rounds} rounds; "
              f"seed {options.seed}", flush=True)
        for number in range(options.rounds):
            again = time.monotonic()
            sweep.round(points, number, again + SHORT_SECONDS if options.short else None)
            print(f"▸ round {number + 1}: in all {len(tally.failures)} failed; "
                  f"{time.monotonic() - again:.0f} s", flush=True)
    tally.table()
    print(f"  done after one further run: {tally.runs[1]}, after two: {tally.runs[2]}", flush=True)
    if options.signal != KILL:
        print(f"  longest from a signal to the end: {sweep.seconds:.1f} s", flush=True)
    print(json.dumps({"faults": "kill", "figures": tally.figures()}), flush=True)


if __name__ == "__main__":
    main()
