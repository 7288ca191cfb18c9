"""The program under measurement, called as a scheduler calls it, and what its call came to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

CALL_DEADLINE_S = 3600


@dataclass
class Call:
    """One finished call."""

    seconds: float
    status: int
    report: dict
    errors: str
    memory_bytes: int

    def count(self, action: str) -> int:
        return sum(item["action"] == action for workspace in self.report["workspaces"] for item in workspace["items"])


def measured(arguments: list[str], environment: dict | None = None, cwd: Path | None = None) -> Call:
    """Runs a command to its end: wall time, and the most memory it and its children held."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=out, stderr=err, env=environment, cwd=cwd)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read()
        report = json.loads(text) if text.startswith("{") else {"text": text}
        return Call(seconds, process.returncode, report, err.read(), usage.ru_maxrss * 1024)


class Program:
    """The program over one configuration."""

    def __init__(self, binary: str, directory: Path, settings: dict):
        self.binary = binary
        directory.mkdir(parents=True, exist_ok=True)
        self.configuration = directory / "marketplace.yaml"
        # JSON is YAML.
        self.configuration.write_text(json.dumps(settings, indent=1))

    def command(self, *arguments: str) -> list[str]:
        return [self.binary, "--config", str(self.configuration), *arguments]

    def try_run(self, *arguments: str) -> Call:
        """Whatever it ends with."""
        return measured(self.command(*arguments, "--output", "json"))

    def run(self, *arguments: str, expecting: int = 0) -> Call:
        call = self.try_run(*arguments)
        if call.status != expecting:
            print(call.errors[-3000:], json.dumps(call.report)[:3000], file=sys.stderr)
            raise SystemExit(f"{' '.join(arguments)} ended with {call.status}, not {expecting}")
        return call


def logged_reads(log: Path) -> list[str]:
    """What a server was asked for by GET, in order, with its query."""
    return re.findall(r'"GET (\S+) HTTP/1\.', log.read_text(errors="replace"))


def log_lines(log: Path) -> int:
    """Requests that a server answered since it began to write its access log."""
    return sum(" HTTP/1." in line for line in log.read_text(errors="replace").splitlines())
