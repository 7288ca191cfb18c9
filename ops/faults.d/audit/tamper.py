"""ops/faults tamper: whatever a superuser does to the log, `marketplace audit verify` names, with the position.

usage: tamper.py PROGRAM DIRECTORY CLUSTER_DIRECTORY [--short] [--seed N]

A log of some workspaces is appended and published step by step; at one of them the database is copied, as a backup. Each
manipulation is done to a copy of the database and of storage, as a superuser with all triggers disabled, at random positions,
one time in three at the edge of a publication or of a tile, where what is compared changes.
It is judged by what `audit verify` says then: exit code 8, and a finding of the right kind at the right position. The copies
as they were have to verify without a finding, before and after.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from database import Cluster
from mix import START_MS, Workspace
from wire import Call, Connection

ORIGIN = "tamper.example/log"
INTEGRITY = 8
WORKSPACES = ("dev01", "dev02", "dev03")
# Publications, and events of each workspace before each; so that tiles of two levels are full.
STEPS = 12
EVENTS_A_STEP = 25
BACKUP_AT = 7
ROUNDS = 10
ROUNDS_SHORT = 1


@dataclass
class Wanted:
    """What has to be said."""

    kinds: tuple[str, ...]
    position: int | None


class Ground:
    """A database and a storage of one manipulation, and the program over both."""

    def __init__(self, base: "Base", name: str, database: str, storage: Path):
        self.base = base
        self.folder = base.folder / name
        self.folder.mkdir()
        self.storage = self.folder / "storage"
        shutil.copytree(storage, self.storage)
        base.cluster.admin.run(f"create database {name} template {database}")
        self.name = name
        self.configure()

    def configure(self) -> None:
        settings = {"database": self.base.cluster.conninfo(self.name), "storage": f"file://{self.storage}", "workspaces": [],
                    "audit": {"origin": ORIGIN, "signing_keys": [str(self.base.key)]}}
        (self.folder / "marketplace.yaml").write_text(json.dumps(settings))

    def program(self, *arguments: str) -> tuple[int, dict]:
        done = subprocess.run([self.base.binary, "--config", str(self.folder / "marketplace.yaml"), *arguments, "--output", "json"],
                              capture_output=True, text=True, timeout=600)
        if done.returncode not in (0, INTEGRITY):
            raise RuntimeError(f"{arguments}: {done.returncode}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
        return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def seal(self, *options: str) -> None:
        status, said = self.program("audit", "seal", *options)
        if status != 0:
            raise RuntimeError(f"audit seal: {status}: {said}")

    def connection(self) -> Connection:
        return Connection(self.base.cluster.conninfo(self.name))

    def as_superuser(self, *statements: str) -> None:
        """With every guard of the log off."""
        connection = self.connection()
        connection.run("begin")
        for (table,) in connection.run("select distinct t.tgrelid::regclass::text from pg_trigger t "
                                       "join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'ledger'::regnamespace"):
            connection.run(f"alter table {table} disable trigger all")
        for statement in statements:
            connection.run(statement)
        connection.run("commit")
        connection.close()

    def rows(self, query: str) -> list[tuple]:
        connection = self.connection()
        rows = connection.run(query)
        connection.close()
        return rows

    def drop(self) -> None:
        self.base.cluster.admin.run(f"drop database {self.name} with (force)")
        shutil.rmtree(self.folder)


class Base:
    """The log as it was published, and an older backup of it."""

    def __init__(self, binary: str, folder: Path, cluster: Cluster):
        self.binary, self.folder, self.cluster = binary, folder, cluster
        self.key = folder / "log.key"
        subprocess.run([binary, "audit", "keygen", ORIGIN, str(self.key)], check=True, capture_output=True)
        empty = folder / "empty"
        empty.mkdir()
        cluster.admin.run("create database blank template template0")
        self.ground = Ground(self, "base", "blank", empty)
        subprocess.run([binary, "--config", str(self.ground.folder / "marketplace.yaml"), "migrate"], check=True, capture_output=True)
        self.spread = [Workspace(name, 7) for name in WORKSPACES]
        # The last positions of publications and of full tiles.
        self.edges = [256, 512]
        self.first_size = 0
        self.append(self.ground, self.spread, connect=True, events=0)
        for step in range(STEPS):
            self.append(self.ground, self.spread, connect=False, events=EVENTS_A_STEP)
            self.ground.seal()
            self.edges.append(self.size(self.ground))
            self.first_size = self.first_size or self.edges[-1]
            if step == BACKUP_AT:
                cluster.admin.run("create database backup template base")
                self.backup_size = self.size(self.ground)
        self.published = self.size(self.ground)

    def position(self, chance: random.Random) -> int:
        """One that is not at the very end, where nothing comes after it."""
        last = self.published - 4
        if chance.randrange(3):
            return chance.randrange(2, last + 1)
        return min(last, chance.choice(self.edges) + chance.randrange(0, 2))

    @staticmethod
    def append(ground: Ground, spread: list[Workspace], connect: bool, events: int) -> None:
        connection = ground.connection()
        for workspace in spread:
            if connect:
                connection.run(f"select ledger.open_workspace('{workspace.name}')")
                connection.append(Call([workspace.connect()], START_MS))
            if events:
                connection.append(Call(workspace.events(events), START_MS))
        connection.close()

    @staticmethod
    def size(ground: Ground) -> int:
        return int(ground.rows("select max(last_position) from ledger.seal")[0][0])


def place(ground: Ground, position: int) -> tuple[str, int]:
    workspace, sequence = ground.rows(f"select workspace, sequence from ledger.sealed_events({position - 1}, 1)")[0]
    return workspace, int(sequence)


def where(workspace: str, sequence: int) -> str:
    return f"workspace = '{workspace}' and sequence = {sequence}"


# Each does its harm to a ground at a position and says what has to be named.

def edit_data(ground: Ground, position: int) -> Wanted:
    ground.as_superuser("update ledger.event set data = regexp_replace(data::text, '}$', ',\"x\":1}')::json "
                        f"where {where(*place(ground, position))}")
    return Wanted(("data_changed",), position)


def edit_payload(ground: Ground, position: int) -> Wanted:
    """The data and its hash: only the leaf tells."""
    ground.as_superuser("update ledger.event set data = regexp_replace(data::text, '}$', ',\"x\":1}')::json, "
                        "data_hash = sha256(salt || convert_to(regexp_replace(data::text, '}$', ',\"x\":1}'), 'UTF8')) "
                        f"where {where(*place(ground, position))}")
    return Wanted(("edited",), position)


def edit_principal(ground: Ground, position: int) -> Wanted:
    ground.as_superuser(f"update ledger.event set principal = 'mallory' where {where(*place(ground, position))}")
    return Wanted(("edited",), position)


def edit_and_rewrite(ground: Ground, position: int) -> Wanted:
    """The event, and everything after it, with new salts and hashes that fit."""
    workspace, sequence = place(ground, position)
    ground.as_superuser(
        f"update ledger.event set data = regexp_replace(data::text, '}}$', ',\"x\":1}}')::json where {where(workspace, sequence)}",
        "update ledger.event e set salt = s.salt, data_hash = sha256(s.salt || convert_to(e.data::text, 'UTF8')) "
        "from (select workspace, sequence, decode(md5(id::text), 'hex') as salt from ledger.events "
        f"where position >= {position}) s where e.workspace = s.workspace and e.sequence = s.sequence")
    return Wanted(("edited",), position)


def take_data_away(ground: Ground, position: int) -> Wanted:
    ground.as_superuser(f"update ledger.event set data = null, salt = null where {where(*place(ground, position))}")
    return Wanted(("data_missing",), position)


def feign_detachment(ground: Ground, position: int) -> Wanted:
    """Data taken away as a detachment leaves it: no segment holds it."""
    ground.as_superuser(f"update ledger.event set data = null where {where(*place(ground, position))}")
    return Wanted(("data_missing",), position)


def delete_event(ground: Ground, position: int) -> Wanted:
    ground.as_superuser(f"delete from ledger.event where {where(*place(ground, position))}")
    return Wanted(("deleted",), position)


def renumber(workspace: str, sequence: int, by: int) -> list[str]:
    """Moves what comes after an event of a workspace, and gives all positions anew, in the same order."""
    return [
        f"update ledger.event set sequence = sequence + 1000000 where workspace = '{workspace}' and sequence > {sequence}",
        f"update ledger.event set sequence = sequence - 1000000 + {by} where workspace = '{workspace}' and sequence > 1000000",
        f"update ledger.head set last_sequence = last_sequence + {by} where workspace = '{workspace}'",
        f"update ledger.sealed set sequence = sequence + {by} where workspace = '{workspace}'",
        "create temporary table run as select * from ledger.seal_run",
        f"update run set count = count + {by} where workspace = '{workspace}' and first_sequence <= {sequence} "
        f"and first_sequence + count > {sequence}",
        f"update run set first_sequence = first_sequence + {by} where workspace = '{workspace}' and first_sequence > {sequence}",
        "delete from ledger.seal_run",
        "insert into ledger.seal_run select 1 + sum(count) over (order by position) - count, workspace, first_sequence, count "
        "from run where count > 0",
        "update ledger.seal set last_position = last_position + "
        f"{by} where last_position = (select max(last_position) from ledger.seal)",
    ]


def delete_and_close(ground: Ground, position: int) -> Wanted:
    """Gone, and everything after it moved up, so that no gap is left."""
    workspace, sequence = place(ground, position)
    ground.as_superuser(f"delete from ledger.event where {where(workspace, sequence)}", *renumber(workspace, sequence, -1))
    return Wanted(("deleted",), position)


def insert_back_dated(ground: Ground, position: int) -> Wanted:
    """One more event between two, a minute before the one it stands before."""
    workspace, sequence = place(ground, position)
    ground.as_superuser(
        *renumber(workspace, sequence - 1, 1),
        "insert into ledger.event (sequence, version, recorded_at, nth, type_version, id, workspace, stream, type, principal, "
        f"data_hash, salt, data) select {sequence}, 1, recorded_at - interval '1 minute', 0, 1, gen_random_uuid(), workspace, "
        "'model/forged', type, principal, sha256('\\x00'::bytea || convert_to('{}', 'UTF8')), '\\x00', '{}' "
        f"from ledger.event where {where(workspace, sequence + 1)}")
    # behind the event before it of its workspace, which need not be the position before
    return Wanted(("inserted",), int(ground.rows(f"select ledger.position_of('{workspace}', {sequence})")[0][0]))


def swap(ground: Ground, position: int) -> Wanted:
    """An event and the next one of its workspace change places."""
    workspace, sequence = place(ground, position)
    if not ground.rows(f"select from ledger.event where {where(workspace, sequence + 1)}"):
        sequence -= 1
        position = int(ground.rows(f"select ledger.position_of('{workspace}', {sequence})")[0][0])
    ground.as_superuser(
        f"update ledger.event set sequence = 1000000 where {where(workspace, sequence)}",
        f"update ledger.event set sequence = {sequence} where {where(workspace, sequence + 1)}",
        f"update ledger.event set sequence = {sequence + 1} where {where(workspace, 1000000)}")
    return Wanted(("reordered",), position)


def delete_tail(ground: Ground, position: int) -> Wanted:
    """Everything from a position on, and every trace of it."""
    ground.as_superuser(
        "create temporary table kept as select workspace, max(sequence) as sequence from ledger.events "
        f"where position < {position} group by workspace",
        "delete from ledger.event e using kept k where e.workspace = k.workspace and e.sequence > k.sequence",
        f"delete from ledger.seal_run where position >= {position}",
        f"update ledger.seal_run set count = {position} - position where position + count > {position}",
        f"delete from ledger.seal where first_position >= {position}",
        f"update ledger.seal set last_position = {position - 1} where last_position >= {position}",
        "update ledger.head h set last_sequence = k.sequence from kept k where h.workspace = k.workspace",
        "update ledger.sealed s set sequence = k.sequence from kept k where s.workspace = k.workspace")
    return Wanted(("truncated",), position)


def shorter_history(ground: Ground, position: int) -> Wanted:
    """Another log in place of this one, valid in itself."""
    ground.base.cluster.admin.run(f"drop database {ground.name} with (force)")
    ground.base.cluster.admin.run(f"create database {ground.name} template blank")
    subprocess.run([ground.base.binary, "--config", str(ground.folder / "marketplace.yaml"), "migrate"], check=True, capture_output=True)
    spread = [Workspace(name, 1000 + position) for name in WORKSPACES]
    Base.append(ground, spread, connect=True, events=EVENTS_A_STEP)
    ground.rows("select ledger.seal()")
    return Wanted(("forked",), 1)


def older_backup(ground: Ground, position: int) -> Wanted:
    ground.base.cluster.admin.run(f"drop database {ground.name} with (force)")
    ground.base.cluster.admin.run(f"create database {ground.name} template backup")
    status, _ = ground.program("audit", "seal")
    if status != INTEGRITY:
        raise RuntimeError(f"audit seal ended with {status} over an older backup")
    return Wanted(("truncated",), ground.base.backup_size + 1)


def older_backup_that_went_on(ground: Ground, position: int) -> Wanted:
    """Restored, and appended to and sealed by hand until it is as long as the published log."""
    older_backup(ground, position)
    spread = [Workspace(name, 5000 + position) for name in WORKSPACES]
    connection = ground.connection()
    while int(connection.run("select coalesce(max(last_position), 0) from ledger.seal")[0][0]) < ground.base.published:
        for workspace in spread:
            connection.append(Call(workspace.events(EVENTS_A_STEP), START_MS))
        connection.run("select ledger.seal()")
    connection.close()
    return Wanted(("forked",), ground.base.backup_size + 1)


PROJECTIONS = {
    "model_version": ("stage = 'Forged'", "from_sequence"), "export": ("manifest_sha256 = repeat('0', 64)", "sequence"),
    "promotion": ("marketplace_version = 4711", "from_sequence"), "catalog": ("state = 'forged'", "sequence"),
}


def edit_projection(ground: Ground, position: int) -> Wanted:
    table = sorted(PROJECTIONS)[position % len(PROJECTIONS)]
    change, event = PROJECTIONS[table]
    workspace, sequence = ground.rows(
        f"select workspace, {event} from marketplace_projection.{table} order by md5(workspace || {event} || {position}) limit 1")[0]
    ground.as_superuser(f"update marketplace_projection.{table} set {change} where workspace = '{workspace}' and {event} = {sequence}")
    return Wanted(("projection_changed",), int(ground.rows(f"select ledger.position_of('{workspace}', {sequence})")[0][0]))


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= 0x01
    file.chmod(0o644)
    file.write_bytes(data)


def alter_checkpoint(ground: Ground, position: int) -> Wanted:
    files = sorted((ground.storage / "log/checkpoints").iterdir())
    file = files[position % len(files)]
    flip(file, position)
    return Wanted(("checkpoint_not_believed",), int(file.name))


def remove_newest(ground: Ground, position: int) -> Wanted:
    (ground.storage / "log/checkpoint").unlink()
    return Wanted(("checkpoint_not_believed",), None)


def set_newest_back(ground: Ground, position: int) -> Wanted:
    files = sorted((ground.storage / "log/checkpoints").iterdir(), key=lambda file: int(file.name))
    older = files[position % (len(files) - 1)]
    newest = ground.storage / "log/checkpoint"
    newest.chmod(0o644)
    newest.write_bytes(older.read_bytes())
    return Wanted(("checkpoint_not_believed",), int(older.name))


def alter_entry(ground: Ground, position: int) -> Wanted:
    """A byte of a published entry of a full tile."""
    position = (position - 1) % 512 + 1
    file = ground.storage / f"log/tile/entries/{(position - 1) // 256:03}"
    data, start = file.read_bytes(), 0
    for _ in range((position - 1) % 256):
        start += 2 + int.from_bytes(data[start:start + 2], "big")
    flip(file, start + 2)
    return Wanted(("published_log_damaged",), position)


def alter_hash(ground: Ground, position: int) -> Wanted:
    position = (position - 1) % 512 + 1
    flip(ground.storage / f"log/tile/0/{(position - 1) // 256:03}", (position - 1) % 256 * 32)
    return Wanted(("published_log_damaged",), position)


def remove_tile(ground: Ground, position: int) -> Wanted:
    index = position % 2
    (ground.storage / f"log/tile/entries/{index:03}").unlink()
    return Wanted(("published_log_damaged",), index * 256 + 1)


def alter_event_and_entry(ground: Ground, position: int) -> Wanted:
    """The event in the database, and the published entry of the same position: an older tile or the published hash still tells."""
    wanted = alter_entry(ground, position)
    edit_principal(ground, wanted.position)
    return Wanted(("differs", "edited"), wanted.position)


def alter_event_and_hash(ground: Ground, position: int) -> Wanted:
    """The event, and the published hash of another one: the published entries are as they were signed."""
    alter_hash(ground, position + 3)
    return edit_principal(ground, position)


def feign_staleness(ground: Ground, position: int) -> Wanted:
    """A row of a table behind the catalog, in a workspace of which it is said that its tables stopped."""
    wanted = edit_projection(ground, position)
    workspace, _ = place(ground, wanted.position)
    ground.as_superuser(
        "insert into ledger.projection_stale (projection, workspace, from_sequence, state, message) "
        f"select 'marketplace', workspace, last_sequence + 1, 'XX000', 'stopped' from ledger.head where workspace = '{workspace}'")
    return wanted


def delete_seals(ground: Ground, position: int) -> Wanted:
    """When positions were given, and by that what was known as of a time."""
    ground.as_superuser("delete from ledger.seal")
    return Wanted(("seal_time_changed",), ground.base.first_size)


def set_storage_back(ground: Ground, position: int) -> Wanted:
    """The newest checkpoint and all behind one before it, with what they said of it."""
    sizes = sorted(int(file.name) for file in (ground.storage / "log/checkpoints").iterdir())
    older = sizes[position % (len(sizes) - 1)]
    kept = (ground.storage / f"log/checkpoints/{older}").read_bytes()
    # What came before goes too, every other time: then the newest is all there is.
    for size in sizes:
        if size > older or position % 2:
            (ground.storage / f"log/checkpoints/{size}").unlink()
    newest = ground.storage / "log/checkpoint"
    newest.chmod(0o644)
    newest.write_bytes(kept)
    return Wanted(("checkpoint_not_believed",), older)


def move_seal(ground: Ground, position: int) -> Wanted:
    """What was known as of a time rests on when positions were given."""
    rows = ground.rows(f"select last_position from ledger.seal where last_position >= {position} order by 1 limit 1")
    ground.as_superuser(f"update ledger.seal set sealed_at = sealed_at - interval '30 days' where last_position = {rows[0][0]}")
    return Wanted(("seal_time_changed",), int(rows[0][0]))


def two_histories(ground: Ground, position: int) -> Wanted:
    """An export of another log, signed with the same key, of which the published one is shown the beginning of only."""
    other = Ground(ground.base, f"{ground.name}_other", "backup", ground.base.folder / "empty")
    try:
        Base.append(other, [Workspace(name, 9000 + position) for name in WORKSPACES[:1]], connect=True, events=0)
        other.seal("--anew")
        status, _ = other.program("audit", "export", str(ground.folder / "other.log"))
        if status != 0:
            raise RuntimeError(f"audit export: {status}")
    finally:
        other.drop()
    return Wanted(("forked", "edited"), ground.base.backup_size + 1)


HARMS: dict[str, Callable[[Ground, int], Wanted]] = {
    "a payload edited": edit_data, "a payload edited with its hash": edit_payload, "a principal edited": edit_principal,
    "edited, and all after it rewritten": edit_and_rewrite, "data taken away without a redaction": take_data_away, "data taken away as if a segment held it": feign_detachment,
    "deleted from the middle": delete_event, "deleted from the middle, and closed up": delete_and_close,
    "the tail deleted": delete_tail, "two swapped": swap, "a back-dated event inserted": insert_back_dated,
    "replaced by a shorter valid log": shorter_history, "an older backup restored": older_backup,
    "an older backup restored that went on": older_backup_that_went_on, "a projection edited": edit_projection,
    "a checkpoint altered": alter_checkpoint, "the newest checkpoint removed": remove_newest,
    "the newest checkpoint set back": set_newest_back, "a published entry altered": alter_entry,
    "a published hash altered": alter_hash, "a published tile removed": remove_tile,
    "an event and its published entry altered": alter_event_and_entry,
    "an event and a published hash altered": alter_event_and_hash,
    "a projection edited that is said to have stopped": feign_staleness, "all seals deleted": delete_seals,
    "the published log set back": set_storage_back, "a seal moved to another time": move_seal, "two histories shown": two_histories,
}


OF_EVENTS = {"edited", "deleted", "inserted", "reordered", "truncated", "forked", "differs", "data_changed", "data_missing"}


def judged(ground: Ground, wanted: Wanted) -> str | None:
    export = ground.folder / "other.log"
    status, said = ground.program("audit", "verify", *(["--export", str(export)] if export.exists() else []))
    findings = [(finding["kind"], finding.get("position")) for finding in said.get("findings", [])]
    if status != INTEGRITY:
        return f"verify ended with {status}: {findings[:5]}"
    if not any(kind in wanted.kinds and position == wanted.position for kind, position in findings):
        return f"wanted {wanted.kinds} at {wanted.position}, said {findings[:5]}"
    # Of events nothing else may be said: what is right is not to be accused.
    if any(kind in OF_EVENTS and kind not in wanted.kinds for kind, _ in findings):
        return f"wanted {wanted.kinds} at {wanted.position} and nothing else of events, said {findings[:5]}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    folder = arguments.directory / "tamper"
    folder.mkdir(mode=0o711)
    base = Base(arguments.program, folder, Cluster(arguments.cluster))
    print(f"{base.published} events published in {STEPS} steps, the backup has {base.backup_size}", flush=True)
    status, said = base.ground.program("audit", "verify")
    if status != 0:
        raise SystemExit(f"the log as it is does not verify: {said}")
    tried: dict[str, int] = {}
    survived: dict[str, int] = {}
    failures = []
    number = 0
    for _ in range(ROUNDS_SHORT if arguments.short else ROUNDS):
        for name, harm in HARMS.items():
            number += 1
            position = base.position(chance)
            ground = Ground(base, f"harm_{number}", "base", base.ground.storage)
            try:
                problem = judged(ground, harm(ground, position))
            except Exception as error:  # noqa: BLE001
                problem = f"{type(error).__name__}: {error}"
            tried[name] = tried.get(name, 0) + 1
            survived[name] = survived.get(name, 0) + (problem is None)
            if problem:
                failures.append(f"{name} at {position}: {problem}")
                print(f"  ✗ {failures[-1]}", flush=True)
            ground.drop()
    status, said = base.ground.program("audit", "verify")
    if status != 0:
        failures.append(f"the log as it was does not verify any more: {said}")
    for name, count in tried.items():
        print(f"  {name:44} {survived[name]:4} of {count}")
    print(json.dumps({"faults": "tamper", "seed": arguments.seed,
                      "figures": [{"name": name, "tried": count, "survived": survived[name]} for name, count in tried.items()]}))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
