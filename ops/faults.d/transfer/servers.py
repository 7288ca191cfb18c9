"""The servers of a fault test, killed outright and brought back as they were."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from world import wait_until

READY_DEADLINE_S = 180
REQUEST_DEADLINE_S = 5
GONE_DEADLINE_S = 30


class MLflowServer:
    """One that a script started as a process group; what comes back is ours to end."""

    def __init__(self, url: str, group: int, log: Path):
        self.url = url
        self.group = group
        self.log = log
        # The group's leader starts the server, so its arguments start it again, on the same port.
        self.command = Path(f"/proc/{group}/cmdline").read_bytes().split(b"\0")[:-1]
        self.ours: subprocess.Popen | None = None
        self.is_down = False

    def kill(self) -> None:
        os.killpg(self.group, signal.SIGKILL)
        if self.ours:
            self.ours.wait()
        self.is_down = True

    def start(self) -> None:
        """Starts it when it is down, and waits until it answers."""
        if not self.is_down:
            return
        with self.log.open("a") as log:
            self.ours = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *self.command], stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, start_new_session=True)
        self.group = self.ours.pid
        self.is_down = False
        wait_until(self.answers, READY_DEADLINE_S, f"{self.url} did not come back: {self.log}")

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=REQUEST_DEADLINE_S) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """Ends what was started here; the first one is its script's."""
        if self.ours and self.ours.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.group, signal.SIGTERM)
            try:
                self.ours.wait(REQUEST_DEADLINE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.group, signal.SIGKILL)
                self.ours.wait()


class PostgresServer:
    """A cluster that its script stops by its directory, whoever started it."""

    def __init__(self, programs: str, data: str):
        self.data = data
        self.programs = programs
        # What it was started with, so that it comes back the same.
        self.command = shlex.split((Path(data) / "postmaster.opts").read_text())
        if os.geteuid() == 0:
            self.command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *self.command]
        # What comes back is a child of ours, so that it is collected: the next one takes one that was not for alive.
        self.ours: subprocess.Popen | None = None
        self.is_down = False

    def kill(self) -> None:
        """SIGKILL to the server and all of its processes; waits until none of them holds its memory any more."""
        postmaster = int(self.postmaster())
        # A stopped one makes no further process while they are listed.
        os.kill(postmaster, signal.SIGSTOP)
        every = [postmaster, *children(postmaster)]
        for each in every:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, every)), GONE_DEADLINE_S, "processes of PostgreSQL outlived SIGKILL")
        if self.ours:
            self.ours.wait()
        self.is_down = True

    def start(self) -> None:
        """Starts it when it is down, and waits until it has recovered."""
        if not self.is_down:
            return
        with (Path(self.data) / "restarted.log").open("a") as log:
            self.ours = subprocess.Popen(self.command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(lambda: self.answers() or self.ours.poll() is not None, READY_DEADLINE_S, f"PostgreSQL did not recover: {log.name}")
        if self.ours.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start: {log.name}")
        self.is_down = False

    def answers(self) -> bool:
        return subprocess.run([f"{self.programs}/pg_isready", "--quiet", f"--host={self.data}"]).returncode == 0

    def revive(self) -> None:
        """Starts it when it has ended by itself; otherwise waits until it answers, which a crash may delay."""
        def is_gone() -> bool:
            return not is_alive(self.postmaster())

        wait_until(lambda: is_gone() or self.answers(), READY_DEADLINE_S, "PostgreSQL did not recover")
        if is_gone():
            if self.ours:
                self.ours.wait()
            self.is_down = True
            self.start()

    def postmaster(self) -> str:
        file = Path(self.data) / "postmaster.pid"
        return file.read_text().split("\n")[0] if file.exists() else "gone"


def status(process: int | str) -> list[str]:
    """State, parent and so on of a process, as the kernel tells them; nothing of one that is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def children(parent: int) -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and status(each.name)[1:2] == [str(parent)]]


def is_alive(process: int | str) -> bool:
    """One that has ended and was not collected yet is not."""
    return status(process)[:1] not in ([], ["Z"], ["X"])
