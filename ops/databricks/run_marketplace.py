"""Runs `marketplace` as a task of a Databricks job, and ends as it ends.

    run_marketplace.py --binary PATH [--token NAME=HOST …] -- sync --deadline 3h

The program comes from a volume and is copied, since a volume is no place to run from. For each --token, a token of the
service principal is got from HOST (OAuth, client credentials: DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET), kept in
the file NAME of the directory that the configuration's token files are relative to, and renewed at half its life: the
program reads the file for each request.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request
from pathlib import Path

# 6: another run works on some of the models, and does them.
SUCCESS = {0, 6}
# What is begun may be finished when the job is cancelled, for so long.
STOP_SECONDS = 600
REQUEST_SECONDS = 60
RETRY_SECONDS = 30


def fetch(host: str, client: str, secret: str) -> tuple[str, float]:
    """A token for HOST and how many seconds it lives."""
    body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "all-apis"}).encode()
    basic = base64.b64encode(f"{client}:{secret}".encode()).decode()
    request = urllib.request.Request(f"{host.rstrip('/')}/oidc/v1/token", body, {"Authorization": f"Basic {basic}"})
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
        fields = json.load(answer)
    return fields["access_token"], float(fields.get("expires_in", 3600))


def write(path: Path, token: str) -> None:
    """Replaces the file in one step; nobody else may read it."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token)
    fresh.replace(path)


def renew(path: Path, host: str, credentials: tuple[str, str]) -> float:
    """Gets a token and keeps it; says in how many seconds to do so again. Without one, the program tells by name which
    workspace it cannot read, and does the others."""
    try:
        token, life = fetch(host, *credentials)
        write(path, token)
        return life / 2
    except (OSError, ValueError, KeyError) as error:
        print(f"no token could be had from {host}: {error}", file=sys.stderr)
        return RETRY_SECONDS


def keep(path: Path, host: str, credentials: tuple[str, str], pause: float, ended: threading.Event) -> None:
    """Renews the token until the run has ended."""
    while not ended.wait(pause):
        pause = renew(path, host, credentials)


def run(command: list[str], environment: dict[str, str]) -> int:
    """Runs the program; when the job is cancelled, lets it finish what it began."""
    cancelled = threading.Event()
    # Set before there is a program, so that no moment is left in which it would be left behind.
    signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    process = subprocess.Popen(command, env=environment)
    ended = threading.Event()
    threading.Thread(target=stop, args=(process, cancelled, ended), daemon=True).start()
    try:
        return process.wait()
    except BaseException:
        cancelled.set()
        return process.wait()
    finally:
        ended.set()
        cancelled.set()


def stop(process: subprocess.Popen, cancelled: threading.Event, ended: threading.Event) -> None:
    """Asks the program to finish once the job is cancelled, and kills it where that takes too long."""
    cancelled.wait()
    if not ended.is_set():
        process.send_signal(signal.SIGTERM)
        if not ended.wait(STOP_SECONDS):
            process.kill()


def arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--token", action="append", default=[], metavar="NAME=HOST")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    given = arguments(words)
    with tempfile.TemporaryDirectory() as folder:
        secrets = Path(folder, "credentials")
        secrets.mkdir(mode=0o700)
        binary = shutil.copy(given.binary, Path(folder, "marketplace"))
        os.chmod(binary, 0o700)
        ended = threading.Event()
        environment = dict(os.environ, CREDENTIALS_DIRECTORY=str(secrets))
        credentials = (environment.pop("DATABRICKS_CLIENT_ID", ""), environment.pop("DATABRICKS_CLIENT_SECRET", ""))
        try:
            for pair in given.token:
                name, host = pair.split("=", 1)
                pause = renew(secrets / name, host, credentials)
                keeper = (secrets / name, host, credentials, pause, ended)
                threading.Thread(target=keep, args=keeper, daemon=True).start()
            return run([binary, *given.command], environment)
        finally:
            ended.set()


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if status not in SUCCESS:
        sys.exit(f"marketplace ended with {status}; its exit codes are explained by 'marketplace --help'")
