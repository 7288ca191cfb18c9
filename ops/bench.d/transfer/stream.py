"""ops/bench stream: one large file through the program, and through curl, in turn in one run.

usage: stream.py PROGRAM DIRECTORY CONNINFO SOURCE_URL DESTINATION_URL S3_URL BYTES ROUNDS

The model has one file of BYTES that no compression shortens, beside an MLmodel. A ratio is the other's wall time by ours, the
median over the rounds; ours is the whole of `marketplace export` or `marketplace import`, from the start of the process to its
end, ledger, manifest and hash included.

file: from a plain file server (`fileserver.py`: sendfile, ranges) into file storage, beside `curl | tee FILE | sha256sum`.
mlflow-export: the same from MLflow 3.17 itself.
mlflow-s3: from MLflow 3.17 to rclone's S3, beside `curl | tee >(sha256sum) | curl --upload-file` to a signed address.
mlflow-import: from file storage into MLflow 3.17, beside `curl --upload-file` and sha256sum side by side.
memory: the most that the process of ours held in any of these, by the kernel's account.
kill: SIGKILL when half of the file has been sent, and a run again: how much was sent twice, against the ranges under way;
into file storage, and into rclone's S3 with the parts under way.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import boto3
from botocore.config import Config

from fileserver import ARTIFACTS, FileServer
from program import Call, Program
from rest import MLMODEL, Registry

BLOCK_BYTES = 1 << 24
MEMORY_GOAL_BYTES = 200_000_000
# Ranges of one file that are on their way or wait at a time, and their size: HTTPPolicy.
RANGES_MAX, RANGE_BYTES = 4, 8 << 20
# Parts of one upload on their way, being filled, and arrived since the last note of them: S3Upload.
PARTS_MAX, PART_BYTES = 4, 8 << 20
SIGNED_S = 3600


class Bench:
    """The servers, one model at the source, and its file's digest."""

    def __init__(self, binary: str, directory: str, conninfo: str, source: str, destination: str, s3: str, size: int):
        self.binary, self.root, self.conninfo, self.size = binary, Path(directory), conninfo, size
        self.source, self.destination, self.s3 = Registry(source), Registry(destination), s3
        self.memory = 0
        self.bucket = boto3.client(
            "s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id=os.environ["S3_ACCESS_KEY_ID"],
            aws_secret_access_key=os.environ["S3_SECRET_ACCESS_KEY"], config=Config(signature_version="s3v4"))
        self.seed()

    def seed(self) -> None:
        """Straight onto the disk of the server, which finds it there."""
        experiment = self.source.experiment("study")
        run = self.source.post("runs/create", experiment_id=experiment, start_time=int(time.time() * 1000))["run"]["info"]
        self.path = run["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/") + "/model/model.bin"
        self.artifacts = self.root / "source" / "artifacts"
        self.file = self.artifacts / self.path
        self.file.parent.mkdir(parents=True)
        (self.file.parent / "MLmodel").write_text(MLMODEL)
        block = bytearray(random.Random(1).randbytes(BLOCK_BYTES))
        digest = hashlib.sha256()
        with self.file.open("wb") as out:
            for place in range(0, self.size, BLOCK_BYTES):
                block[:8] = place.to_bytes(8, "big")
                part = block[:self.size - place]
                out.write(part)
                digest.update(part)
        self.digest = digest.hexdigest()
        self.source.post("registered-models/create", name="large")
        self.source.post("model-versions/create", name="large", source=f"{run['artifact_uri']}/model", run_id=run["run_id"])
        self.source.post("model-versions/transition-stage", name="large", version="1", stage="Production",
                         archive_existing_versions=False)

    # Ours.

    def program(self, name: str, source: str, storage: str | None = None, marketplace: bool = False) -> Program:
        """A ledger and a store of its own."""
        subprocess.run(["psql", "--quiet", "--dbname", self.conninfo, "--command", f'create database "{name}"'], check=True)
        directory = self.root / name
        directory.mkdir()
        settings: dict = {
            "database": f"{self.conninfo} dbname={name}",
            "data": str(directory),
            "storage": {"url": storage, "endpoint": self.s3} if storage else f"file://{directory}/storage",
            "promoted": {"stages": ["Production"], "aliases": []},
            # One of its own, so that no round finds in the marketplace what another made.
            "workspaces": [{"id": name, "registry": source}],
        }
        if marketplace:
            settings["marketplace"] = {"registry": self.destination.url, "name": "{workspace}.{model}"}
        program = Program(self.binary, directory, settings)
        program.run("migrate")
        program.run("observe")
        return program

    def timed(self, program: Program, command: str) -> Call:
        call = program.run(command)
        assert call.count(f"{command}ed") == 1, call.report
        self.memory = max(self.memory, call.memory_bytes)
        return call

    def stored(self, directory: Path) -> Path:
        """The exported file, whose bytes are looked at: the export's own word is not enough."""
        found, = directory.rglob("model.bin")
        with found.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == self.digest, f"{found} has other bytes"
        return found

    def export(self, name: str, source: str) -> float:
        program = self.program(name, source)
        seconds = self.timed(program, "export").seconds
        self.stored(self.root / name / "storage")
        shutil.rmtree(self.root / name)
        return seconds

    def export_s3(self, name: str) -> float:
        program = self.program(name, self.source.url, f"s3://exports/{name}")
        seconds = self.timed(program, "export").seconds
        kept = self.root / "s3" / "rclone" / "exports" / name
        self.stored(kept)
        shutil.rmtree(kept)
        shutil.rmtree(self.root / name)
        return seconds

    def import_(self, program: Program) -> float:
        seconds = self.timed(program, "import").seconds
        self.stored(self.root / "destination" / "artifacts")
        shutil.rmtree(self.root / "destination" / "artifacts")
        return seconds

    # The other.

    def shell(self, script: str) -> float:
        """Wall time of a line of bash, which has to print the file's digest."""
        start = time.perf_counter()
        done = subprocess.run(["bash", "-c", f"set -euo pipefail; {script}"], check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        assert self.digest in done.stdout, f"curl got other bytes: {done.stdout[:200]} {done.stderr[:500]}"
        return seconds

    def url(self, server: str, path: str) -> str:
        return f"'{server}{ARTIFACTS}{urllib.parse.quote(path)}'"

    def curl(self, server: str) -> float:
        target = self.root / "curl.bin"
        seconds = self.shell(f"curl --silent --fail {self.url(server, self.path)} | tee {target} | sha256sum")
        target.unlink()
        return seconds

    def curl_s3(self, name: str) -> float:
        signed = self.bucket.generate_presigned_url("put_object", {"Bucket": "exports", "Key": name}, SIGNED_S)
        # A pipe has no length by itself, and S3 wants one.
        seconds = self.shell(
            f"exec 3>&1; curl --silent --fail {self.url(self.source.url, self.path)} | tee >(sha256sum >&3) "
            f"| curl --silent --fail --header 'Content-Length: {self.size}' --header 'Transfer-Encoding:' --upload-file - "
            f"'{signed}'")
        kept = self.root / "s3" / "rclone" / "exports" / name
        assert kept.stat().st_size == self.size, f"curl stored {kept.stat().st_size} bytes"
        kept.unlink()
        return seconds

    def curl_import(self, name: str) -> float:
        seconds = self.shell(
            f"curl --silent --fail --upload-file {self.file} {self.url(self.destination.url, f'bench/{name}/model.bin')} & "
            f"sha256sum {self.file}; wait $!")
        self.stored(self.root / "destination" / "artifacts")
        shutil.rmtree(self.root / "destination" / "artifacts")
        return seconds

    # A kill.

    def kill(self, name: str, server: FileServer, storage: str | None = None) -> float:
        """Megabytes of the file that the server sent twice."""
        program = self.program(name, server.url, storage)
        process = subprocess.Popen(program.command("export", "--output", "json"), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        server.call_at(self.size // 2, lambda: os.kill(process.pid, signal.SIGKILL))
        assert process.wait() == -signal.SIGKILL, "the program ended before half of the file was sent"
        first = server.sent
        self.timed(program, "export")
        kept = self.root / "s3" / "rclone" / "exports" / name if storage else self.root / name / "storage"
        self.stored(kept)
        shutil.rmtree(kept)
        shutil.rmtree(self.root / name)
        second = server.sent - first
        print(f"  {name}: killed after {first:,} bytes; {second:,} more were sent", flush=True)
        return round((first + second - self.size - len(MLMODEL) * 2) / 1e6, 1)


def compare(name: str, rounds: int, ours: Callable[[int], float], other: Callable[[int], float], goal: float) -> dict:
    """Both in turn, who begins alternating."""
    taken: dict[str, list[float]] = {"ours": [], "curl": []}
    for number in range(rounds):
        for who in ("ours", "curl") if number % 2 == 0 else ("curl", "ours"):
            taken[who].append((ours if who == "ours" else other)(number))
        print(f"  {name:14} ours {taken['ours'][-1]:7.2f} s   curl {taken['curl'][-1]:7.2f} s", flush=True)
    ratio = round(statistics.median(theirs / mine for mine, theirs in zip(taken["ours"], taken["curl"])), 2)
    return {"name": f"stream-{name}", "ours": round(statistics.median(taken["ours"]), 2),
            "baseline": round(statistics.median(taken["curl"]), 2), "unit": "s", "ratio": ratio, "goal": goal,
            "met": ratio >= goal}


def bounded(name: str, ours: float, bound: float, unit: str) -> dict:
    """A figure that has to stay below a bound."""
    return {"name": f"stream-{name}", "ours": ours, "baseline": bound, "unit": unit,
            "ratio": round(bound / ours, 2) if ours else None, "goal": 1, "met": ours <= bound}


def main(*arguments: str) -> None:
    size, rounds = int(arguments[6]), int(arguments[7])
    bench = Bench(*arguments[:6], size)
    print(f"One file of {size:,} bytes; {rounds} rounds in turn.", flush=True)
    figures = []
    with FileServer(bench.source.url, bench.artifacts) as files:
        figures.append(compare("file", rounds, lambda n: bench.export(f"file-{n}", files.url), lambda _: bench.curl(files.url), 1))
        killed = bench.kill("kill", files)
        killed_s3 = bench.kill("kill-s3", files, "s3://exports/kill-s3")
    figures.append(compare("mlflow-export", rounds, lambda n: bench.export(f"export-{n}", bench.source.url),
                           lambda _: bench.curl(bench.source.url), 0.95))
    figures.append(compare("mlflow-s3", rounds, lambda n: bench.export_s3(f"s3-{n}"), lambda n: bench.curl_s3(f"curl-{n}"), 0.95))

    def imported(number: int) -> float:
        program = bench.program(f"import-{number}", bench.source.url, marketplace=True)
        program.run("export")
        seconds = bench.import_(program)
        shutil.rmtree(bench.root / f"import-{number}")
        return seconds

    figures.append(compare("mlflow-import", rounds, imported, lambda n: bench.curl_import(str(n)), 0.95))
    figures.append(bounded("memory", round(bench.memory / 1e6), MEMORY_GOAL_BYTES / 1e6, "MB"))
    ranges = RANGES_MAX * RANGE_BYTES / 1e6
    figures.append(bounded("kill-again", killed, round(ranges, 1), "MB"))
    figures.append(bounded("kill-again-s3", killed_s3, round(ranges + PARTS_MAX * PART_BYTES / 1e6, 1), "MB"))
    print(json.dumps({"bench": "stream", "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
