"""ops/faults hostile: a registry that lies to the program, in one way after the other.

usage: hostile.py PROGRAM DIRECTORY CLUSTER SOURCE_URL MARKETPLACE_URL [--only NAME]

A proxy in front of a real MLflow tells each lie about one newly promoted version, the victim. The sync has to end in time,
with little memory, and to refuse the victim with one of the reasons that fit, or to be unharmed where the lie is harmless.
It must follow no address that the registry names, write nothing outside its store, print no control character, and do
what another model needs at the same time, unless the lie leaves the whole registry unreadable. Then the registry tells
the truth, and all must be as if nothing had been.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import socket
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sweep import Tally, Worlds, aftermath, codes, failed, said
from wires import Calm, Cut, Step
from world import WORKSPACE, Place, Run, World

RUN_DEADLINE_S = 120
MEMORY_BYTES_MAX = 200_000_000
BOMB_MEBIBYTES = 300
# Asked for in ranges.
LARGE_BYTES = 40_000_000
ENDLESS_PIECE = b"0" * 65_536
# An endless body that is taken in up to here has no bound. Of a listing 64 MiB are read.
ENDLESS_BYTES_MAX = 150_000_000
VICTIM, BYSTANDER = "fresh", "drifted"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")

REFUSED_PATH = {"hostile_path", "unsupported", "invalid_response", "too_large", "unsupported_source"}
REFUSED_SOURCE = {"unsupported_source", "unsupported", "hostile_path", "not_found", "missing_artifacts", "missing_mlmodel", "refused",
                  "configuration", "too_large", "invalid_response", "deleted_since", "not_permitted"}
UNREADABLE = {"invalid_response", "too_large", "unstable_listing", "refused", "server", "unreachable", "incomplete_body", "not_found"}
WRONG_SIZE = {"incomplete_file", "incomplete_body", "too_large", "invalid_response", "storage_full"}

PATHS = {
    "climbs out": "../outside", "climbs out midway": "a/../../outside", "is a folder above": "..", "is the folder itself": ".",
    "is empty": "", "escaped": "%2e%2e%2foutside", "escaped twice": "%252e%252e%252foutside", "escaped in part": "..%2foutside",
    "over-long UTF-8": "..%c0%afoutside", "backslashes": "..\\outside", "absolute": "/etc/passwd", "absolute on Windows": "C:\\outside",
    "absolute, escaped": "%2fetc%2fpasswd", "NUL": "a\0b", "NUL, escaped": "a%00b", "NUL before an end": "..\0/outside",
    "empty component": "a//b", "of another folder": "elsewhere/file", "4096 bytes": "n" * 4096, "1025 bytes in parts": "/".join(["n" * 204] * 5) + "nnnnn",
    "component of 256 bytes": "n" * 256, "full-width dots": "\uff0e\uff0e/outside", "line breaks": "a\r\nb", "a terminal's escape": "a\x1b[31mb",
}
SOURCES = {
    "a file": "file:///etc/passwd", "a path": "/etc", "a path that climbs": "../../etc", "this machine": "http://{trap}/model",
    "this machine, https": "https://{trap}/model", "metadata service": "http://169.254.169.254/latest/meta-data/",
    "metadata service in IPv6": "http://[::ffff:169.254.169.254]/", "gopher": "gopher://{trap}/1", "ftp": "ftp://{trap}/x",
    "a bucket": "s3://somebody-elses-bucket/model", "Databricks": "dbfs:/databricks/model",
    "another proxy": "mlflow-artifacts://{trap}/1/model", "the proxy, climbing": "mlflow-artifacts:/../../etc",
    "the proxy, climbing in escapes": "mlflow-artifacts:/1/%2e%2e/%2e%2e/etc", "a run that climbs": "runs:/../../etc/model",
    "a logged model that climbs": "models:/m-../../etc", "itself": "models:/" + VICTIM + "/{version}", "nothing": "",
    "200,000 bytes": "mlflow-artifacts:/" + "n" * 200_000, "user and password": "http://user:secret@{trap}/x", "data": "data:text/plain,x",
    "jar": "jar:http://{trap}/x!/y", "UNC": "\\\\{trap}\\share",
}
NAMES = ["..", "%2e%2e", ".hidden", "a\\b", "it's; drop table ledger.event;--", "=cmd|' /C calc'!A0", "<script>alert(1)</script>",
         "line\nbreak", "bell\x07 and \x1b[2Jclear", "right\u202eto left", "e\u0301clat", "n" * 256, " padded ", "CON", "💊" * 60]


def http(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body) if length is None else length}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Trap:
    """An address that the registry names, and that nobody may call."""

    def __init__(self) -> None:
        self.calls = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            client, _ = self.listening.accept()
            self.calls += 1
            client.close()


class Lie(Calm):
    """Answers instead of the server where `about` says so; `answer` is given what the server would have said."""

    def __init__(self, about: Callable[[Step], bool], answer: Callable[[World, Step], bytes], world: World, run_id: str):
        self.about, self.answer, self.world, self.run_id = about, answer, world, run_id
        self.told = 0

    def request(self, step: Step) -> bytes | None:
        # Artifacts are lied about where they are the victim's.
        if not step.name.startswith("source: ") or "artifacts" in step.name and self.run_id not in step.target or not self.about(step):
            return None
        self.told += 1
        return self.answer(self.world, step)


@dataclass
class Case:
    """One lie, and what may come of it."""

    name: str
    about: Callable[[Step], bool]
    answer: Callable[[World, Step], bytes]
    # Reasons that fit, of the victim or of the whole workspace; `None` among them: it may be exported all the same.
    reasons: set


# Which request is lied to.

def is_listing(step: Step) -> bool:
    return step.name.endswith("GET artifacts")


def is_root_listing(step: Step) -> bool:
    return is_listing(step) and parse_qs(urlsplit(step.target).query).get("path", [""])[0].endswith("/model")


def is_file(name: str) -> Callable[[Step], bool]:
    return lambda step: step.name.endswith("GET artifacts/…") and unquote(urlsplit(step.target).path).endswith("/" + name)


def is_search(step: Step) -> bool:
    return "registered-models/search" in step.name


def is_version(step: Step) -> bool:
    return "model-versions/" in step.name and ("search" in step.name or step.name.endswith("/get"))


# What is said.

def truth(world: World, step: Step) -> dict:
    return json.loads(world.source.request("GET", step.target))


def listing_with(*entries: dict) -> Callable[[World, Step], bytes]:
    def answer(world: World, step: Step) -> bytes:
        honest = truth(world, step)
        honest["files"] = honest.get("files", []) + list(entries)
        return http(json.dumps(honest).encode())
    return answer


def listing_where(change: Callable[[dict], None]) -> Callable[[World, Step], bytes]:
    def answer(world: World, step: Step) -> bytes:
        honest = truth(world, step)
        for file in honest.get("files", []):
            change(file)
        return http(json.dumps(honest).encode())
    return answer


def resized(file: dict, size: object) -> None:
    if file["path"].endswith("model.pkl"):
        file["file_size"] = size


def endless(head: bytes, piece: bytes = ENDLESS_PIECE) -> Callable[[World, Step], bytes]:
    """A body in chunks that never ends. How much of it was taken is bounded, or this test is over."""
    def answer(world: World, step: Step) -> bytes:
        step.client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n" % len(piece) + piece + b"\r\n"
        step.client.sendall(b"%x\r\n" % len(head) + head + b"\r\n" if head else b"")
        for _ in range(0, ENDLESS_BYTES_MAX, len(piece)):
            step.client.sendall(chunk)
        endless.swallowed = True
        raise Cut
    return answer


endless.swallowed = False


def longer(world: World, step: Step) -> bytes:
    return http(world.source.request("GET", step.target) + b"and more")


def large_file(total: int) -> Callable[[World, Step], bytes]:
    """Listed as large; whoever asks for a part of it gets one byte, and hears of so many."""
    def answer(world: World, step: Step) -> bytes:
        if is_root_listing(step):
            return listing_where(lambda file: resized(file, LARGE_BYTES))(world, step)
        return http(b"0", "206 Partial Content", 'ETag: "state"', f"Content-Range: bytes 0-0/{total}")
    return answer


def is_large_file(step: Step) -> bool:
    return is_root_listing(step) or is_file("model.pkl")(step)


def source_is(uri: str, trap: Trap) -> Callable[[World, Step], bytes]:
    def answer(world: World, step: Step) -> bytes:
        honest = truth(world, step)
        for each in [*honest.get("model_versions", []), *filter(None, [honest.get("model_version")])]:
            if each["name"] == VICTIM:
                each["source"] = uri.replace("{trap}", trap.address).replace("{version}", each["version"])
        return http(json.dumps(honest).encode())
    return answer


def redirected(to: str) -> Callable[[World, Step], bytes]:
    return lambda world, step: http(b"", "302 Found", f"Location: {to}")


def said_instead(body: bytes, *headers: str) -> Callable[[World, Step], bytes]:
    return lambda world, step: http(body, "200 OK", *headers)


def turning_pages(world: World, step: Step) -> bytes:
    """Always another page, always another token."""
    turning_pages.number += 1
    return http(json.dumps({"files": [{"path": f"f{turning_pages.number}", "is_dir": False, "file_size": 1}],
                            "next_page_token": f"token {turning_pages.number}"}).encode())


turning_pages.number = 0


def turning_models(world: World, step: Step) -> bytes:
    turning_pages.number += 1
    model = {"name": f"model {turning_pages.number:09}", "creation_timestamp": 1, "last_updated_timestamp": 1}
    return http(json.dumps({"registered_models": [model], "next_page_token": f"token {turning_pages.number}"}).encode())


def model_more(name: str) -> Callable[[World, Step], bytes]:
    """One model more, that has one version in Production."""
    def answer(world: World, step: Step) -> bytes:
        honest = truth(world, step)
        version = {"name": name, "version": "1", "current_stage": "Production", "creation_timestamp": 1, "status": "READY"}
        honest["registered_models"].append(
            {"name": name, "creation_timestamp": 1, "last_updated_timestamp": 1, "latest_versions": [version]})
        return http(json.dumps(honest).encode())
    return answer


def compressed(world: World, step: Step) -> bytes:
    return http(gzip.compress(world.source.request("GET", step.target)), "200 OK", "Content-Encoding: gzip")


def bomb() -> bytes:
    """Little that becomes much; made in pieces, since a child's peak of memory begins with its parent's."""
    packed = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join(packed.compress(bytes(1 << 20)) for _ in range(BOMB_MEBIBYTES)) + packed.flush()


def all_cases(trap: Trap) -> Iterator[Case]:
    for what, path in PATHS.items():
        for is_folder in (False, True):
            entry = {"path": path, "is_dir": is_folder, **({} if is_folder else {"file_size": 1})}
            yield Case(f"listing: a {'folder' if is_folder else 'file'} {what}", is_root_listing, listing_with(entry), REFUSED_PATH | {"server"})
    yield Case("listing: folders without end", is_listing, listing_with({"path": "deeper", "is_dir": True}), REFUSED_PATH)
    yield Case("listing: pages without end", is_root_listing, turning_pages, REFUSED_PATH)
    yield Case("listing: the same page again and again", is_root_listing,
               said_instead(b'{"files": [], "next_page_token": "again"}'), REFUSED_PATH)
    yield Case("listing: the same name twice", is_root_listing, listing_with({"path": "MLmodel", "is_dir": False, "file_size": 1}), REFUSED_PATH)
    yield Case("listing: a file and a folder of one name", is_root_listing, listing_with({"path": "model.pkl", "is_dir": True}), REFUSED_PATH)
    yield Case("listing: redirected here", is_listing, redirected(f"http://{trap.address}/"), UNREADABLE)
    yield Case("listing: a web page", is_listing, said_instead(b"<html>sign in</html>"), UNREADABLE)
    yield Case("listing: compressed", is_listing, compressed, UNREADABLE)
    yield Case("listing: a body without end", is_listing, endless(b'{"files": [{"path": "'), UNREADABLE)
    yield Case("listing: 100,000 arrays in one another", is_listing, said_instead(b'{"files":' + b"[" * 100_000), UNREADABLE)
    for what, size in (("negative", -1), ("beyond 64 bits", 10**30), ("no number", "many"), ("1e400", 10.0**300), ("one less", None)):
        def change(file: dict, size: object = size) -> None:
            resized(file, file.get("file_size", 1) - 1 if size is None else size)
        yield Case(f"size: {what}", is_root_listing, listing_where(change), REFUSED_PATH | WRONG_SIZE)
    yield Case("size: more than there is", is_root_listing, listing_where(lambda file: resized(file, 50_000_000)), WRONG_SIZE)
    yield Case("size: an exabyte", is_root_listing, listing_where(lambda file: resized(file, 1 << 60)), WRONG_SIZE)
    yield Case("size: left out", is_root_listing, listing_where(lambda file: file.pop("file_size", None)), WRONG_SIZE | {None})
    yield Case("body: longer than listed", is_file("model.pkl"), longer, WRONG_SIZE)
    yield Case("body: without end", is_file("model.pkl"), endless(b""), WRONG_SIZE)
    yield Case("body: without end, of MLmodel", is_file("MLmodel"), endless(b""), WRONG_SIZE)
    yield Case("body: compressed", is_file("model.pkl"), compressed, WRONG_SIZE)
    yield Case("body: a bomb for whoever decompresses", is_file("model.pkl"), said_instead(bomb(), "Content-Encoding: gzip"), WRONG_SIZE)
    yield Case("body: a web page", is_file("model.pkl"), said_instead(b"<html>sign in</html>"), WRONG_SIZE)
    yield Case("body: redirected here", is_file("model.pkl"), redirected(f"http://{trap.address}/"), WRONG_SIZE | UNREADABLE)
    yield Case("body: redirected to a metadata service", is_file("model.pkl"), redirected("http://169.254.169.254/"), WRONG_SIZE | UNREADABLE)
    yield Case("body: redirected to a file", is_file("model.pkl"), redirected("file:///etc/passwd"), WRONG_SIZE | UNREADABLE)
    for what, total in (("as listed", LARGE_BYTES), ("a petabyte", 1 << 50), ("64 bits", (1 << 63) - 1), ("beyond 64 bits", 10**30),
                        ("nothing", 0)):
        yield Case(f"range: one byte, of {what}", is_large_file, large_file(total), WRONG_SIZE)
    yield Case("body: MLmodel is no YAML", is_file("MLmodel"), said_instead(b"\0\1" * 100), WRONG_SIZE | {None, "missing_mlmodel"})
    for what, uri in SOURCES.items():
        yield Case(f"source: {what}", is_version, source_is(uri, trap), REFUSED_SOURCE)
    yield Case("models: a web page", is_search, said_instead(b"<html>sign in</html>"), UNREADABLE)
    yield Case("models: nothing", is_search, said_instead(b"{}"), {None})
    yield Case("models: a name of 4096 bytes", is_search, model_more("n" * 4096), {None, "unkeepable_name", "refused", "not_found"})
    yield Case("models: a name that climbs, in 4096 bytes", is_search, model_more("../" * 1365 + "x"),
               {None, "unkeepable_name", "refused", "not_found"})
    yield Case("models: pages without end", is_search, turning_models, UNREADABLE)
    yield Case("models: a body without end", is_search, endless(b'{"registered_models": [{"name": "'), UNREADABLE)
    yield Case("models: redirected here", is_search, redirected(f"http://{trap.address}/"), UNREADABLE)
    yield Case("models: cut short", is_search, said_instead(b'{"registered_models": [{"name": "fresh"'), UNREADABLE)
    yield Case("models: compressed", is_search, compressed, UNREADABLE)
    yield Case("models: a list of numbers", is_search, said_instead(b'{"registered_models": [1, 2, 3]}'), UNREADABLE)


class Hostile:
    """Tells the lies, one after the other, in one world."""

    def __init__(self, worlds: Worlds):
        self.worlds = worlds
        self.trap = Trap()

    def world(self) -> World:
        if self.worlds.world is None:
            self.worlds.unseen()
            self.worlds.world.settle()
        return self.worlds.world

    def try_one(self, case: Case) -> None:
        world = self.world()
        version = world.promote(VICTIM)
        world.promote(BYSTANDER)
        run_id = world.source.get("model-versions/get", name=VICTIM, version=version)["model_version"]["run_id"]
        before = self.outside(world)
        # Every run meets it again: what failed for good in an earlier one is tried anew.
        try:
            problems = self.under(case, world, run_id, before) + self.after(world)
        except Exception:
            problems = [traceback.format_exc()]
        self.note(case.name, problems)

    def note(self, name: str, problems: list[str]) -> None:
        group = name.split(":")[0]
        self.worlds.tally.tried[group] += 1
        print(f"  {'✗' if problems else '✓'} {name}", flush=True)
        if problems:
            self.worlds.fell(self.world(), name, f'--only "{name}"', problems)
        else:
            self.worlds.tally.survived[group] += 1

    def under(self, case: Case, world: World, run_id: str, before: set[str]) -> list[str]:
        calls = self.trap.calls
        sequence = self.worlds.verifier.last_sequence()
        endless.swallowed = False
        lie = world.place.board.plan = Lie(case.about, case.answer, world, run_id)
        try:
            ended, memory = finish(world.start("sync", "--retry-failed"))
        finally:
            world.place.board.plan = Calm()
        problems = [] if lie.told else ["the lie was not told: nothing asked for it"]
        reasons = set(codes(ended))
        if ended.status not in (0, 3):
            problems.append(f"it ended with {ended.status}: {said(ended)}")
        if None not in case.reasons and not reasons & case.reasons:
            problems.append(f"none of the reasons that fit was given: {said(ended)}")
        if reasons - case.reasons:
            problems.append(f"a reason that does not fit was given: {said(ended)}")
        if bool(reasons) != (ended.status == 3):
            problems.append(f"it ended with {ended.status} and said {sorted(reasons)}")
        if memory > MEMORY_BYTES_MAX:
            problems.append(f"it took {memory / 1e6:.0f} MB of memory")
        if endless.swallowed:
            problems.append(f"it read {ENDLESS_BYTES_MAX} bytes of a body without end, and would have read on")
        if self.trap.calls > calls:
            problems.append("it called the address that the registry named")
        if found := CONTROL.search(ended.errors):
            problems.append(f"its messages hold the control character {found[0]!r}")
        if grown := self.outside(world) - before:
            problems.append(f"files outside the store: {sorted(grown)}")
        done = {(row["type"], row["data"]["name"]) for row in world.rows(
            f"select type, data from ledger.events where workspace = '{WORKSPACE}' and sequence > {sequence}") if "name" in row["data"]}
        if ("ModelExported", VICTIM) in done and None not in case.reasons:
            problems.append("the victim was exported")
        is_unreadable = any(each.get("error") for each in ended.report.get("workspaces", []))
        if not is_unreadable and lie.told and "models" not in case.name.split(":")[0] and ("ModelImported", BYSTANDER) not in done:
            problems.append(f"another model was not imported: {said(ended)}")
        return problems

    def after(self, world: World) -> list[str]:
        """The registry tells the truth: what was refused for good is asked for again, and all is as if nothing had been."""
        ended = world.run("sync", "--retry-failed")
        problems = [f"the run after it ended with {ended.status}: {said(ended)}"] if failed(ended) else []
        return problems or aftermath(world, self.worlds.verifier)[0]

    def names(self, chosen: dict[str, str]) -> None:
        """Names that a registry takes, by what the case is called: each is imported or refused with a reason, and harms nothing."""
        world = self.world()
        for case, name in chosen.items():
            try:
                world.source.post("registered-models/create", name=name, description="a name")
            except RuntimeError:
                continue
            before = self.outside(world)
            world.promote(name)
            ended, memory = finish(world.start("sync", "--retry-failed"))
            text = finish_text(world.start_text("status"))
            problems = []
            imported = {each["data"]["name"] for each in world.rows("select data from ledger.events where type = 'ModelImported'")}
            if ended.status not in (0, 3) or (ended.status == 0) != (name in imported):
                problems.append(f"it ended with {ended.status}: {said(ended)}")
            if memory > MEMORY_BYTES_MAX:
                problems.append(f"it took {memory / 1e6:.0f} MB of memory")
            if found := CONTROL.search(ended.errors + text):
                problems.append(f"what a person reads holds the control character {found[0]!r}")
            if grown := self.outside(world) - before:
                problems.append(f"files outside the store: {sorted(grown)}")
            world.source.post("model-versions/transition-stage", name=name, version="1", stage="Archived", archive_existing_versions=False)
            gone = world.run("sync", "--retry-failed")
            # An export whose name the marketplace refused, and that nobody means any more, is told of and nothing to do.
            if failed(gone, besides={"no_longer_promoted"}):
                problems.append(f"after it was archived the sync ended with {gone.status}: {said(gone)}")
            self.note(case, problems)

    @staticmethod
    def outside(world: World) -> set[str]:
        """Every file that is not in the store: the program may write none, but for its own output and settings."""
        root = world.directory
        found = {str(path) for path in root.rglob("*") if world.storage not in path.parents and "runs" not in path.parts}
        return found | {f"{place}/outside" for place in (root.parent, root.parent.parent, "/tmp", "/") if os.path.exists(f"{place}/outside")}


def finish(run: Run) -> tuple:
    """Waits in bounded time; with the most memory that the process held."""
    timer = threading.Timer(RUN_DEADLINE_S, run.kill)
    timer.start()
    try:
        _, status, usage = os.wait4(run.process.pid, 0)
    finally:
        timer.cancel()
    run.process.returncode = os.waitstatus_to_exitcode(status)
    return run.wait(), usage.ru_maxrss * 1024


def finish_text(run: Run) -> str:
    run.process.wait(RUN_DEADLINE_S)
    return run.out.read_text() + run.err.read_text()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("binary", "directory", "cluster", "source", "market"):
        parser.add_argument(name)
    parser.add_argument("--only")
    options = parser.parse_args()
    place = Place(options.binary, Path(options.directory), options.cluster, options.source, options.market)
    tally = Tally()
    hostile = Hostile(Worlds(place, tally, "hostile"))
    cases = [each for each in all_cases(hostile.trap) if not options.only or options.only in each.name]
    names = {f"name: {number} {name[:30]!r}": name for number, name in enumerate(NAMES)}
    names = {case: name for case, name in names.items() if not options.only or options.only in case}
    print(f"{len(cases)} lies, {len(names)} names", flush=True)
    for case in cases:
        hostile.try_one(case)
    if names:
        hostile.names(names)
    tally.table()
    print(json.dumps({"faults": "hostile", "figures": tally.figures()}), flush=True)


if __name__ == "__main__":
    main()
