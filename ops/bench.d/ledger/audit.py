"""ops/bench audit: what proof and replay cost, beside what the machine needs for the same bytes, and how that grows.

usage: audit.py PROGRAM DIRECTORY CLUSTER_DIRECTORY full|million|short

One log grows: at each size everything is published anew into an empty store, verified, an event of its middle proven, the
catalog of its middle asked for, and all of it folded into a schema. Beside each, in the same run and in turn: reading what
has to be read with COPY and hashing the same bytes with openssl; for the past, bare SQL for the same rows. At the end it is
asked whether the answers as of random positions are what they were before the log grew, byte by byte.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from database import Cluster
from mix import PRINCIPAL, START_MS, workspaces
from rebuild import CATALOG, CATALOG_AT, CATALOG_ROWS, HERE, tables
from wire import Call, Connection

SIZES = {"full": (100_000, 1_000_000, 5_000_000), "million": (100_000, 1_000_000), "short": (10_000, 50_000)}
# More rounds where they are cheap.
ROUNDS = {"full": (5, 3, 1), "million": (3, 3), "short": (3, 3)}
EVENTS_A_CALL = 250
SEGMENT_EVENTS = 65_536
# Detaching takes some ten seconds a segment, whatever the size of the log.
SEGMENTS_UP_TO = 2_000_000
ORIGIN = "bench.example/log"
RANDOM_POSITIONS = 5
DATABASE = "projected"


class Bench:
    def __init__(self, binary: str, folder: Path, cluster: Cluster):
        self.binary, self.folder, self.cluster = binary, folder, cluster
        self.key = folder / "log.key"
        subprocess.run([binary, "audit", "keygen", ORIGIN, str(self.key)], check=True, capture_output=True)
        cluster.admin.run(f"create database {DATABASE} template template0")
        self.store(folder / "store")
        self.program("migrate")
        self.owner = Connection(cluster.conninfo(DATABASE))
        self.owner.run(f"create role {PRINCIPAL} login in role ledger_writer")
        self.owner.run(f"select ledger.grant_append('{PRINCIPAL}', '*', '')")
        self.spread = workspaces()
        self.writer = Connection(cluster.conninfo(DATABASE, PRINCIPAL))
        for workspace in self.spread:
            self.owner.run(f"select ledger.open_workspace('{workspace.name}')")
            self.writer.append(Call([workspace.connect()], START_MS))
        self.count = len(self.spread)
        self.figures: list[dict] = []

    def store(self, path: Path) -> None:
        """Everything is published anew: to where nothing is."""
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        settings = {"database": self.cluster.conninfo(DATABASE), "storage": f"file://{path}", "workspaces": [],
                    "audit": {"origin": ORIGIN, "signing_keys": [str(self.key)]}}
        self.configuration = self.folder / "marketplace.yaml"
        self.configuration.write_text(json.dumps(settings))
        self.storage = path

    def program(self, *arguments: str) -> str:
        done = subprocess.run([self.binary, "--config", str(self.configuration), *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments} ended with {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.stdout

    def grow(self, size: int) -> None:
        start = time.perf_counter()
        before = self.count
        while self.count < size:
            for workspace in self.spread:
                self.writer.append(Call(workspace.events(EVENTS_A_CALL), START_MS))
                self.count += EVENTS_A_CALL
            self.owner.run("select ledger.seal()")
        self.owner.run("vacuum analyze")
        seconds = time.perf_counter() - start
        print(f"{self.count:,} events, {self.count - before:,} appended with projections in {seconds:.0f} s", flush=True)

    def figure(self, name: str, ours, baseline, rounds: int, before=lambda: None) -> None:
        seconds: dict[str, list[float]] = {"ours": [], "baseline": []}
        for number in range(rounds):
            for who in (("baseline", "ours"), ("ours", "baseline"))[number % 2]:
                before()
                start = time.perf_counter()
                (ours if who == "ours" else baseline)()
                seconds[who].append(time.perf_counter() - start)
        medians = {who: statistics.median(values) for who, values in seconds.items()}
        ratio = statistics.median(b / a for a, b in zip(seconds["ours"], seconds["baseline"]))
        print(f"  {name:<34} ours {medians['ours']:>9.3f} s   beside {medians['baseline']:>9.3f} s   {ratio:.2f}", flush=True)
        self.figures.append({"name": f"{name}, {self.count:,} events", "ours": round(medians["ours"], 4),
                             "baseline": round(medians["baseline"], 4), "unit": "s", "ratio": round(ratio, 3), "goal": None, "met": None})

    def leaves(self) -> Path:
        """The bytes that are hashed, in a file."""
        path = self.folder / "leaves"
        with path.open("wb") as file:
            for tile in sorted((self.storage / "log/tile/entries").rglob("*")):
                if tile.is_file() and ".p" not in str(tile):
                    file.write(tile.read_bytes())
        return path

    def copied(self, what: str) -> None:
        subprocess.run(["psql", self.cluster.conninfo(DATABASE), "-qAt", "-c", f"copy ({what}) to stdout (format binary)"],
                       check=True, stdout=subprocess.DEVNULL)

    def hashed(self, path: Path) -> None:
        subprocess.run(["openssl", "dgst", "-sha256", str(path)], check=True, stdout=subprocess.DEVNULL)

    def measure(self, rounds: int) -> None:
        self.store(self.folder / "store")
        self.program("audit", "seal", "--anew")
        leaves = self.leaves()
        print(f"  {leaves.stat().st_size:,} bytes of leaves", flush=True)
        envelopes = ("select workspace, sequence, stream, version, id, type, type_version, recorded_at, occurred_at, principal, run, "
                     "cause_workspace, cause_sequence, data_hash, nth from ledger.event")

        def read_and_hash(what: str) -> None:
            self.copied(what)
            self.hashed(leaves)

        self.figure("seal: everything published anew", lambda: self.program("audit", "seal", "--anew"), lambda: read_and_hash(envelopes), rounds,
                    before=lambda: self.store(self.folder / "store"))
        self.program("audit", "seal", "--anew")
        self.figure("verify: log and tiles", lambda: self.program("audit", "verify", "--log-only"),
                    lambda: read_and_hash("select * from ledger.event"), rounds)
        self.figure("verify: log, tiles and projections", lambda: self.program("audit", "verify"),
                    lambda: read_and_hash("select * from ledger.event"), min(rounds, 3))
        middle = self.count // 2
        tile = self.storage / f"log/tile/entries/{self.tile(middle // 256)}"
        self.figure("one proof", lambda: self.program("audit", "prove", str(middle)), lambda: self.hashed(tile), max(rounds, 5))
        if self.count < SEGMENTS_UP_TO:
            self.segments(rounds)
        self.fold(rounds, middle)
        leaves.unlink()

    def segments(self, rounds: int) -> None:
        """Written anew beside a COPY of the same rows into a file; then what they hold leaves the database, and comes back."""
        full = self.count // SEGMENT_EVENTS
        if full == 0:
            return
        rows = (f"select e.* from ledger.sealed_events(0, {full * SEGMENT_EVENTS}) e")
        copy = self.folder / "copy"

        def copied() -> None:
            with copy.open("wb") as file:
                subprocess.run(["psql", self.cluster.conninfo(DATABASE), "-qAt", "-c", f"copy ({rows}) to stdout"], check=True, stdout=file)
            self.hashed(copy)

        self.figure(f"{full} segments written", lambda: self.program("audit", "segments", "write"), copied, rounds,
                    before=lambda: shutil.rmtree(self.storage / "segments", ignore_errors=True))
        copy.unlink()
        self.program("audit", "segments", "write")
        size = "select sum(pg_total_relation_size(inhrelid)) from pg_inherits where inhparent = 'ledger.event'::regclass"
        self.owner.run("vacuum full ledger.event")
        before = int(self.owner.run(size)[0][0])
        start = time.perf_counter()
        self.program("audit", "segments", "detach", "--before", str(self.count))
        detached = time.perf_counter() - start
        gone = int(self.owner.run("select count(*) from ledger.event where data is null and salt is not null")[0][0])
        self.owner.run("vacuum full ledger.event")
        after = int(self.owner.run(size)[0][0])
        self.program("audit", "seal", "--anew")
        self.program("audit", "verify", "--log-only")
        start = time.perf_counter()
        self.program("audit", "segments", "attach")
        print(f"  {gone:,} events detached in {detached:.1f} s, attached in {time.perf_counter() - start:.1f} s: "
              f"{before:,} bytes of events, {after:,} without their data", flush=True)
        self.figures.append({"name": f"bytes of events with {gone:,} of {self.count:,} detached", "ours": after, "baseline": before,
                             "unit": "bytes", "ratio": round(after / before, 3), "goal": None, "met": None})
        self.program("audit", "seal", "--anew")
        self.owner.run("vacuum full ledger.event")
        self.owner.run("vacuum analyze")
        self.count = int(self.owner.run("select max(last_position) from ledger.seal")[0][0])

    @staticmethod
    def tile(index: int) -> str:
        groups = [f"{index % 1000:03}"]
        while index := index // 1000:
            groups.append(f"x{index % 1000:03}")
        return "/".join(reversed(groups))

    def fold(self, rounds: int, middle: int) -> None:
        names = tables(self.owner)
        self.owner.run("drop schema if exists bare cascade; create schema bare;" + "".join(
            f"create table bare.{name} (like marketplace_projection.{name} including indexes including storage);" for name in names))

        def bare() -> None:
            cut = CATALOG.replace("{cut}", "select workspace, last_sequence as sequence from ledger.head")
            self.owner.run("begin;" + (HERE / "bare.sql").read_text()
                           + "; analyze bare.current_version, bare.current_closed, bare.promotion, bare.promotion_closed, bare.export, "
                           + f"bare.import, bare.description, bare.model;" + cut + CATALOG_ROWS + "; commit")

        def empty() -> None:
            self.owner.run("drop schema if exists past cascade; truncate "
                           + ", ".join(f"bare.{name}" for name in names))

        self.figure("replay of everything into a schema",
                    lambda: self.program("replay", "--as-of", str(self.count), "--into", "past", "--without-comparison", "--quiet"),
                    bare, rounds, before=empty)
        empty()
        bare()
        ours = f"select count(*), sum(hashtext(q::text)) from (select * from marketplace.catalog_at({middle}::bigint)) q"
        plain = f"select count(*), sum(hashtext(q::text)) from ({CATALOG.replace('{cut}', f'select * from ledger.cut_at({middle})')}{CATALOG_AT}) q"
        self.figure("catalog as of the middle", lambda: self.owner.run(ours), lambda: self.owner.run(plain), max(rounds, 3))
        self.owner.run("drop schema if exists past cascade; drop schema bare cascade")

    def answers(self, positions: list[int]) -> list[tuple]:
        return [self.owner.run(
            "select md5(string_agg(q::text, E'\\n' order by q::text)) from (select c::text from marketplace.catalog_at("
            f"{position}::bigint) c union all select h::text from marketplace.production_history_at({position}::bigint) h) q")[0]
            for position in positions]


def main(binary: str, directory: str, cluster: str, size: str) -> None:
    folder = Path(directory) / "audit"
    folder.mkdir(mode=0o711)
    bench = Bench(binary, folder, Cluster(cluster))
    chance = random.Random(4711)
    positions: list[int] = []
    before: list[tuple] = []
    for events, rounds in zip(SIZES[size], ROUNDS[size]):
        bench.grow(events)
        bench.measure(rounds)
        if not positions:
            positions = sorted(chance.randrange(1, bench.count) for _ in range(RANDOM_POSITIONS))
            before = bench.answers(positions)
    same = sum(a == b for a, b in zip(before, bench.answers(positions)))
    print(f"as of {len(positions)} random positions of the first {SIZES[size][0]:,} events: {same} answers the same bytes at "
          f"{bench.count:,} events", flush=True)
    replayed = 0
    for position in positions[:2]:
        bench.program("replay", "--as-of", str(position), "--quiet")
        replayed += 1
    bench.figures.append({"name": "answers as of a position that stayed the same", "ours": same, "baseline": len(positions),
                          "unit": "answers", "ratio": same / len(positions), "goal": 1.0, "met": same == len(positions)})
    bench.figures.append({"name": "replays equal to them", "ours": replayed, "baseline": 2, "unit": "replays", "ratio": replayed / 2,
                          "goal": 1.0, "met": replayed == 2})
    print(json.dumps({"bench": "audit", "figures": bench.figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
