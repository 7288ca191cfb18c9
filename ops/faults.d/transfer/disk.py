"""ops/faults disk: no room left in the store, under PostgreSQL, and for scratch files, while a sync runs.

usage: disk.py PROGRAM DIRECTORY CLUSTER SOURCE_URL MARKETPLACE_URL POSTGRES_BIN [--short] [--only NAME]

DIRECTORY/small/{storage,database,scratch} are file systems of their own, small ones. Each is filled but for some bytes,
before the sync or at one of its steps. The sync has to end with 3 or 5 and say why; once there is room again the next
run completes. A database may find room in pages that it holds already, so of all faults of the database one run at least
has to end with PostgreSQL's own word that there is none (53100).
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

from servers import PostgresServer
from sweep import Tally, Worlds, failed, said
from wires import Calm, Step
from world import Ended, Place, World

KILOBYTE = 1000
FILLINGS_MAX = 1000
NO_ROOM_STATE = "53100"
REASON = re.compile(r"no space left|disk full|53100|could not (extend|write)|is full", re.IGNORECASE)
SHORT = 4


class Full:
    """A file system that is filled up to some bytes, and freed again."""

    def __init__(self, place: Path):
        self.place = place
        self.filler = place / "filler"

    def fill(self, room: int) -> None:
        """Others write meanwhile: what is asked for may be there no longer, and is asked for anew."""
        with self.filler.open("wb") as file:
            for _ in range(FILLINGS_MAX):
                if (more := self.free_bytes() - room) <= 0:
                    return
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        raise RuntimeError(f"{self.place} could not be filled")

    def free_bytes(self) -> int:
        status = os.statvfs(self.place)
        return status.f_bavail * status.f_frsize

    def free(self) -> None:
        self.filler.unlink(missing_ok=True)


class FillAt(Calm):
    """Fills a file system at the nth step with these words in its name."""

    def __init__(self, words: str, occurrence: int, fill: Callable[[], None]):
        self.words, self.left, self.fill = words, occurrence, fill
        self.lock = threading.Lock()
        self.happened = False

    def request(self, step: Step) -> None:
        with self.lock:
            if self.words in step.name and not self.happened:
                self.left -= 1
                if self.left == 0:
                    self.fill()
                    self.happened = True


class Faults:
    """Every fault by name."""

    def __init__(self, small: Path, postgres: PostgresServer):
        self.storage, self.database, self.scratch = (Full(small / name) for name in ("storage", "database", "scratch"))
        self.postgres = postgres
        # How many runs ended with PostgreSQL's word that there is no room.
        self.without_room = 0

    def all(self) -> list[tuple[str, Callable[[World], bool]]]:
        found = [(f"storage: {room} bytes left", self.harm(self.storage, room)) for room in
                 (0, 10 * KILOBYTE, 100 * KILOBYTE, 400 * KILOBYTE)]
        found += [(f"storage: full at file {number}", self.harm(self.storage, 0, "source: GET artifacts/…", number))
                  for number in (2, 5)]
        found += [(f"database: {room} bytes left", self.harm(self.database, room)) for room in (0, 50 * KILOBYTE)]
        found += [(f"database: full at append {number}", self.harm(self.database, 0, "ledger.append", number))
                  for number in (1, 2, 4)]
        found.append(("scratch: nothing left", self.harm(self.scratch, 0, may_succeed=True)))
        return found

    def harm(self, full: Full, room: int, words: str = "", occurrence: int = 0, may_succeed: bool = False) -> Callable[[World], bool]:
        def sync(world: World) -> bool:
            plan = FillAt(words, occurrence, lambda: full.fill(room))
            try:
                if words:
                    world.place.board.plan = plan
                else:
                    full.fill(room)
                ended = world.start("sync", environment={"TMPDIR": str(self.scratch.place)}).wait()
            finally:
                world.place.board.plan = Calm()
                full.free()
                self.postgres.revive()
            # A database that finds room in pages it holds already need not fail.
            self.judge(ended, may_succeed or full is self.database)
            if full is self.database and ended.status != 0 and NO_ROOM_STATE in said(ended):
                self.without_room += 1
            return plan.happened or not words
        return sync

    @staticmethod
    def judge(ended: Ended, may_succeed: bool) -> None:
        words = said(ended)
        reason = REASON.search(words)
        print(f"  ended with {ended.status}{f': … {words[max(0, reason.start() - 80):reason.end() + 80]} …' if reason else ''}", flush=True)
        if may_succeed and not failed(ended):
            return
        if ended.status not in (3, 5):
            raise AssertionError(f"without room it ended with {ended.status}: {words}")
        if not reason:
            raise AssertionError(f"it ended with {ended.status} and did not say that there is no room: {words}")


def attempt_all(worlds: Worlds, points: list[tuple[str, Callable[[World], bool]]]) -> None:
    for name, harm in points:
        print(f"▸ {name}", flush=True)
        worlds.insist(name, f'--only "{name}"', harm)


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("binary", "directory", "cluster", "source", "market", "postgres_bin"):
        parser.add_argument(name)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only")
    options = parser.parse_args()
    root = Path(options.directory)
    place = Place(options.binary, root, options.cluster, options.source, options.market)
    tally = Tally()
    faults = Faults(root / "small", PostgresServer(options.postgres_bin, options.cluster))
    worlds = Worlds(place, tally, "disk", storage=root / "small" / "storage")
    points = [each for each in faults.all() if not options.only or options.only in each[0]]
    if options.short:
        points = points[::SHORT] + points[-1:]
    attempt_all(worlds, points)
    if any(name.startswith("database") for name, _ in points):
        tally.tried[f"database: a run ended with {NO_ROOM_STATE}"] = 1
        tally.survived[f"database: a run ended with {NO_ROOM_STATE}"] = min(1, faults.without_room)
    tally.table()
    print(json.dumps({"faults": "disk", "figures": tally.figures()}), flush=True)


if __name__ == "__main__":
    main()
