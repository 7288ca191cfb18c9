"""ops/faults restore: point-in-time recovery of the database, and what becomes of the published log.

usage: restore.py PROGRAM DIRECTORY CLUSTER_DIRECTORY ARCHIVE POSTGRES_PROGRAMS [--short] [--seed N]

A base backup is taken while a log is appended and published; its write-ahead log is archived. The database is then restored,
each time into a server of its own, to random moments between two publications. Of each restored one has to hold:

  - sealing is refused with 8, and `audit verify` names the first position that is gone, and nothing else;
  - `audit recover` from an export brings the rest back: the newest root is the published one, `audit verify` finds nothing,
    the tables equal the log, and the next seal goes on;
  - without an export, a new log opens: its event names origin, size and root of the old one and how much is kept, what is
    kept are the events of before, and proofs of them by the old checkpoints go on holding.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from database import Cluster
from mix import START_MS, Workspace
from wire import Call, Connection

ORIGIN, NEW_ORIGIN = "restore.example/log", "restore.example/second"
INTEGRITY = 8
STEPS = 10
EVENTS_A_STEP = 20
RESTORES, RESTORES_SHORT = 6, 1
READY_DEADLINE_S = 60


class Run:
    """The program over one database and one storage."""

    def __init__(self, binary: str, folder: Path, conninfo: str, storage: Path):
        self.binary, self.folder, self.conninfo, self.storage = binary, folder, conninfo, storage
        folder.mkdir(exist_ok=True)
        self.configure({"origin": ORIGIN, "signing_keys": [str(folder.parent / "log.key")]})

    def configure(self, audit: dict) -> None:
        settings = {"database": self.conninfo, "storage": f"file://{self.storage}", "workspaces": [], "audit": audit}
        (self.folder / "marketplace.yaml").write_text(json.dumps(settings))

    def __call__(self, *arguments: str) -> tuple[int, dict]:
        done = subprocess.run([self.binary, "--config", str(self.folder / "marketplace.yaml"), *arguments, "--output", "json"],
                              capture_output=True, text=True, timeout=600)
        if done.stdout.startswith("{"):
            return done.returncode, json.loads(done.stdout)
        return done.returncode, {"text": done.stdout + done.stderr}

    def expect(self, *arguments: str) -> dict:
        status, said = self(*arguments)
        if status != 0:
            raise AssertionError(f"{' '.join(arguments)} ended with {status}: {str(said)[:500]}")
        return said

    def rows(self, query: str) -> list[tuple]:
        connection = Connection(self.conninfo)
        rows = connection.run(query)
        connection.close()
        return rows


class Restored:
    """A server over the base backup, brought forward to a moment."""

    def __init__(self, programs: Path, base: Path, archive: Path, folder: Path, moment: str):
        self.programs, self.data = programs, folder
        # the socket of the server that was backed up lies beside its data
        shutil.copytree(base, folder, ignore=shutil.ignore_patterns(".s.PGSQL.*"))
        (folder / "recovery.signal").touch()
        with (folder / "postgresql.auto.conf").open("a") as file:
            file.write(f"\nrestore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{moment}'\n"
                       "recovery_target_action = 'promote'\narchive_mode = off\n")
        self.own()
        self.pg_ctl("start", "-l", str(folder / "log.txt"), "-o", f"-k {folder} -c listen_addresses= -c jit=off")
        self.conninfo = f"host={folder} dbname=postgres user=postgres"
        deadline = time.monotonic() + READY_DEADLINE_S
        while True:
            try:
                connection = Connection(self.conninfo)
                ended = connection.run("select pg_is_in_recovery()") == [("f",)]
                connection.close()
                if ended:
                    return
            except ConnectionError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"the restored server did not come up: {(folder / 'log.txt').read_text()[-1000:]}")
            time.sleep(0.05)

    def own(self) -> None:
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "postgres:", str(self.data)], check=True)
        subprocess.run(["chmod", "0700", str(self.data)], check=True)

    def pg_ctl(self, *arguments: str) -> None:
        command = [str(self.programs / "pg_ctl"), "--pgdata", str(self.data), "--wait", "--silent", *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "env", "--chdir=/", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def end(self) -> None:
        self.pg_ctl("stop", "--mode=fast")
        shutil.rmtree(self.data)


class Story:
    """The log that was published, the moments between its publications, a base backup and an export."""

    def __init__(self, binary: str, folder: Path, cluster: Cluster, archive: Path, programs: Path):
        self.folder, self.archive, self.programs, self.binary = folder, archive, programs, binary
        self.storage = folder / "storage"
        self.storage.mkdir()
        self.keys = {origin: self.keygen(origin, name) for origin, name in ((ORIGIN, "log.key"), (NEW_ORIGIN, "second.key"))}
        self.run = Run(binary, folder / "run", cluster.conninfo("postgres"), self.storage)
        subprocess.run([binary, "--config", str(folder / "run/marketplace.yaml"), "migrate"], check=True, capture_output=True)
        self.spread = [Workspace(name, 11) for name in ("dev01", "dev02")]
        owner = Connection(cluster.conninfo("postgres"))
        for workspace in self.spread:
            owner.run(f"select ledger.open_workspace('{workspace.name}')")
            owner.append(Call([workspace.connect()], START_MS))
        self.base = folder / "base"
        # What was so between two publications: a moment, and the last position that was sealed by then.
        self.moments: list[tuple[str, int]] = []
        for step in range(STEPS):
            for workspace in self.spread:
                owner.append(Call(workspace.events(EVENTS_A_STEP), START_MS))
            self.run.expect("audit", "seal")
            if step == 1:
                self.backup(cluster)
            size = int(owner.run("select max(last_position) from ledger.seal")[0][0])
            moment = owner.run("select clock_timestamp()::text")[0][0]
            if step >= 1:
                self.moments.append((moment, size))
            # a commit after the moment, so that recovery finds where to stop
            owner.append(Call(self.spread[0].events(1), START_MS))
        self.published = self.run.expect("audit", "seal")
        self.export = folder / "ledger.log"
        self.run.expect("audit", "export", str(self.export))
        self.leaves = [leaf for (leaf,) in owner.run("select encode(leaf, 'hex') from ledger.leaves(0, 1000000)")]
        owner.run("select pg_switch_wal()")
        owner.run("checkpoint")
        owner.close()

    def keygen(self, origin: str, name: str) -> str:
        done = subprocess.run([self.binary, "audit", "keygen", origin, str(self.folder / name)], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def backup(self, cluster: Cluster) -> None:
        self.folder.chmod(0o755)
        target = self.archive.parent / "archive-base"
        target.mkdir(mode=0o700)
        command = [str(self.programs / "pg_basebackup"), "-h", cluster.directory, "-U", "postgres", "-D", str(target), "-X", "none", "-c", "fast"]
        if os.geteuid() == 0:
            subprocess.run(["chown", "postgres:", str(target)], check=True)
            command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "env", "--chdir=/", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = target

    def wait_for_archive(self) -> None:
        """Until the segment that was ended is in the archive."""
        deadline = time.monotonic() + READY_DEADLINE_S
        while self.run.rows("select last_archived_wal is not null and not exists (select from pg_ls_archive_statusdir() "
                            "where name like '%.ready') from pg_stat_archiver") != [("t",)]:
            if time.monotonic() > deadline:
                raise TimeoutError("the write-ahead log was not archived")
            time.sleep(0.05)


def behind(story: Story, run: Run, size: int) -> None:
    status, said = run("audit", "seal")
    assert status == INTEGRITY, f"audit seal ended with {status}: {said}"
    status, said = run("audit", "verify")
    found = [(finding["kind"], finding.get("position")) for finding in said["findings"]]
    assert status == INTEGRITY and found == [("truncated", size + 1)], f"audit verify: {status}: {found}, wanted {size + 1}"


def recovered(story: Story, run: Run, size: int) -> None:
    said = run.expect("audit", "recover", str(story.export))
    published = story.published["size"]
    assert (said["recovered"], said["lost"], said["root"]) == (published - size, 0, story.published["root"]), said
    said = run.expect("audit", "verify")
    assert said["newest_root"] == story.published["root"] and said["events"] == published, said
    leaves = [leaf for (leaf,) in run.rows("select encode(leaf, 'hex') from ledger.leaves(0, 1000000)")]
    assert leaves == story.leaves, "the leaves are others"
    run.expect("replay")
    assert run.expect("audit", "seal")["added"] == 0
    connection = Connection(run.conninfo)
    connection.append(Call(Workspace("dev02", 99).events(3), START_MS))
    connection.close()
    assert run.expect("audit", "seal")["added"] == 3


def reopened(story: Story, run: Run, size: int) -> None:
    run.configure({"origin": NEW_ORIGIN, "folder": "second", "signing_keys": [str(story.folder / "second.key")]})
    said = run.expect("audit", "recover", "--old-key", story.keys[ORIGIN])
    assert said["lost"] == story.published["size"] - size, said
    data = json.loads(run.rows("select data from ledger.events where type = 'LogReopened'")[0][0])
    assert data == {"origin": ORIGIN, "size": story.published["size"], "root": story.published["root"], "kept": size}, data
    run.expect("audit", "verify")
    leaves = [leaf for (leaf,) in run.rows(f"select encode(leaf, 'hex') from ledger.leaves(0, {size})")]
    assert leaves == story.leaves[:size], "what is kept is not what was"
    # by the old log, which stays as it is
    run.configure({"origin": ORIGIN, "verifier_keys": [story.keys[ORIGIN]]})
    proof = run.expect("audit", "prove", str(size))
    assert proof["leaf"].encode().hex() == story.leaves[size - 1]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("archive", type=Path)
    parser.add_argument("programs", type=Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)
    folder = arguments.directory / "restore"
    folder.mkdir(mode=0o755)
    story = Story(arguments.program, folder, Cluster(arguments.cluster), arguments.archive, arguments.programs)
    story.wait_for_archive()
    count = RESTORES_SHORT if arguments.short else RESTORES
    moments = chance.sample(story.moments, min(count, len(story.moments)))
    print(f"{story.published['size']} events published, restored to {len(moments)} of {len(story.moments)} moments", flush=True)
    tried: dict[str, int] = {}
    survived: dict[str, int] = {}
    failures = []
    for number, (moment, size) in enumerate(moments):
        for name, check in (("taken back from an export", recovered), ("gone on as a new log", reopened)):
            storage = folder / f"storage-{number}-{check.__name__}"
            shutil.copytree(story.storage, storage)
            server = Restored(story.programs, story.base, story.archive, arguments.directory / f"restored-{number}-{check.__name__}", moment)
            problem = None
            try:
                run = Run(arguments.program, folder / f"run-{number}-{check.__name__}", server.conninfo, storage)
                last = int(run.rows("select max(last_position) from ledger.seal")[0][0])
                assert last == size, f"restored to {moment}, the database has {last} sealed events, not {size}"
                behind(story, run, size)
                check(story, run, size)
            except Exception as error:  # noqa: BLE001
                problem = f"{name}, restored to {size} events: {type(error).__name__}: {error}"
                failures.append(problem)
                print(f"  ✗ {problem}", flush=True)
            finally:
                server.end()
            tried[name] = tried.get(name, 0) + 1
            survived[name] = survived.get(name, 0) + (problem is None)
    for name, times in tried.items():
        print(f"  {name:32} {survived[name]:3} of {times}")
    print(json.dumps({"faults": "restore", "seed": arguments.seed,
                      "figures": [{"name": name, "tried": times, "survived": survived[name]} for name, times in tried.items()]}))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
