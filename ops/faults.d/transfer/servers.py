"""The servers of a fault test, killed outright and brought back as they were."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from world import wait_until

READY_DEADLINE_S = 180
REQUEST_DEADLINE_S = 5
SETTINGS = "-c listen_addresses= -c fsync=off"


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
        self.is_down = False

    def control(self, *arguments: str) -> None:
        command = [f"{self.programs}/pg_ctl", "--pgdata", self.data, "--wait", "--silent", *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "env", "--chdir=/", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """As a crash: no checkpoint, nobody is asked to finish."""
        self.control("stop", "--mode=immediate")
        self.is_down = True

    def start(self) -> None:
        if self.is_down:
            log = f"{self.data}/restarted.log"
            self.control("start", f"--log={log}", f"--options=-k {self.data} {SETTINGS}")
            self.is_down = False

    def revive(self) -> None:
        """Starts it when it has ended by itself; otherwise waits until it answers, which a crash may delay."""
        ready = [f"{self.programs}/pg_isready", "--quiet", f"--host={self.data}"]

        def is_gone() -> bool:
            return not Path(f"/proc/{self.postmaster()}").exists()

        wait_until(lambda: is_gone() or subprocess.run(ready).returncode == 0, READY_DEADLINE_S, "PostgreSQL did not recover")
        if is_gone():
            self.is_down = True
            self.start()

    def postmaster(self) -> str:
        file = Path(self.data) / "postmaster.pid"
        return file.read_text().split("\n")[0] if file.exists() else "gone"
