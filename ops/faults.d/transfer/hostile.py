"""ops/faults hostile: a registry that lies to the program, in one way after the other.

usage: hostile.py PROGRAM DIRECTORY CLUSTER SOURCE_URL MARKETPLACE_URL [--short] [--seed N] [--only NAME]

A proxy in front of a real MLflow tells each lie about one newly promoted version, the victim. The sync has to end in time,
with little memory, and to refuse the victim with one of the reasons that fit, or to be unharmed where the lie is harmless.
It must follow no address that the registry names, write nothing outside its store, print no control character, and do
what another model needs at the same time, unless the lie leaves the whole registry unreadable. Under the lie already
nothing may be taken for deleted, renamed or lost, and nothing withdrawn from the marketplace. Then the registry tells
the truth, and all must be as if nothing had been.

Some lies are the marketplace's own. Those are told of whatever is imported, so the victim is all that there is to import.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import socket
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, unquote_plus, urlsplit

from sweep import Tally, Worlds, aftermath, codes, failed, said
from verify import SOURCE_KEY, sha256
from wires import Calm, Cut, Step
from world import WORKSPACE, Place, Run, World, versions

RUN_DEADLINE_S = 120
MEMORY_BYTES_MAX = 200_000_000
SHORT_SECONDS = 90
BOMB_MEBIBYTES = 300
NOT_TAKEN = "name, which MLflow refuses to create"
# A longer name is kept by nobody (RegistryReading.nameBytesMax).
NAME_BYTES_MAX = 2_000
# Asked for in ranges.
LARGE_BYTES = 40_000_000
ENDLESS_PIECE = b"0" * 65_536
# An endless body that is taken in up to here has no bound. Of a listing 64 MiB are read.
ENDLESS_BYTES_MAX = 150_000_000
VICTIM, BYSTANDER = "fresh", "drifted"
# A model of the marketplace that no lie is about.
FOREIGN = "rolled"
# What the truth gives no reason for: nobody deletes, renames or withdraws anything while a lie is told.
LOSSES = ("ModelVersionDeleted", "ModelRenamed", "ImportLost", "ExportInvalidated")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e\u2066-\u2069]")

REFUSED_PATH = {"hostile_path", "unsupported", "invalid_response", "too_large", "unsupported_source"}
REFUSED_SOURCE = {"unsupported_source", "unsupported", "hostile_path", "not_found", "missing_artifacts", "missing_mlmodel", "refused",
                  "configuration", "too_large", "invalid_response", "deleted_since", "not_permitted"}
UNREADABLE = {"invalid_response", "too_large", "unstable_listing", "refused", "server", "unreachable", "incomplete_body", "not_found"}
NOT_FOLLOWED = UNREADABLE - {"unreachable"}
REFUSED_TARGET = {"unsupported_source", "unsupported", "hostile_path", "refused", "configuration", "invalid_response"}
WRONG_SIZE = {"incomplete_file", "incomplete_body", "too_large", "invalid_response", "storage_full"}

# Files of one version that are one on other file systems, and must stay two.
COLLIDING = {
    "MLmodel and mlmodel": {"mlmodel": b"another file"},
    "a name in NFC and in NFD": {"caf\u00e9.bin": b"composed", "cafe\u0301.bin": b"decomposed"},
    "names that differ by case": {"Weights.bin": b"upper", "weights.bin": b"lower", "WEIGHTS/a.bin": b"in a folder"},
}
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

    def __init__(self, case: Case, world: World, run_id: str):
        self.case, self.world, self.run_id = case, world, run_id
        self.told = 0

    def request(self, step: Step) -> bytes | None:
        if not step.name.startswith(f"{self.case.teller}: ") or not self.case.about(step):
            return None
        # Artifacts of the source are lied about where they are the victim's.
        if self.case.teller == "source" and "artifacts" in step.name and self.run_id not in step.target:
            return None
        self.told += 1
        return self.case.answer(self.world, step)


@dataclass
class Case:
    """One lie, and what may come of it."""

    name: str
    about: Callable[[Step], bool]
    answer: Callable[[World, Step], bytes]
    # Reasons that fit, of the victim or of the whole workspace; `None` among them: it may be exported all the same.
    reasons: set
    # Which registry tells it.
    teller: str = "source"
    # Whether it is about neither of the two models: both are imported all the same.
    spares_both: bool = False


# Which request is lied to.

def is_listing(step: Step) -> bool:
    return step.name.endswith("GET artifacts")


def is_root_listing(step: Step) -> bool:
    return is_listing(step) and parse_qs(urlsplit(step.target).query).get("path", [""])[0].endswith("/model")


def is_file(name: str) -> Callable[[Step], bool]:
    return lambda step: step.name.endswith("GET artifacts/…") and unquote(urlsplit(step.target).path).endswith("/" + name)


def is_search(step: Step) -> bool:
    return "registered-models/search" in step.name


def is_search_by_key(step: Step) -> bool:
    return "model-versions/search" in step.name and SOURCE_KEY in unquote(step.target)


def is_making_run(step: Step) -> bool:
    return step.name.endswith("POST runs/create")


def is_version(step: Step) -> bool:
    return "model-versions/" in step.name and ("search" in step.name or step.name.endswith("/get"))


# What is said.

def truth(world: World, step: Step) -> dict:
    """What the registry would have said; it does what it was asked to do."""
    registry = world.source if step.name.startswith("source: ") else world.market
    return json.loads(registry.request(step.name.split(" ")[1], step.target, step.body or None))


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


def version_more(name: str, version: str) -> Callable[[World, Step], bytes]:
    """Asked for the versions with a key of ours, it names one more."""
    def answer(world: World, step: Step) -> bytes:
        honest = truth(world, step)
        key = re.search(r"= '([^']*)'", unquote_plus(step.target))[1]
        honest.setdefault("model_versions", []).append(
            {"name": name, "version": version, "current_stage": "None", "creation_timestamp": 1, "last_updated_timestamp": 1,
             "status": "READY", "source": "models:/m-" + "0" * 32, "tags": [{"key": SOURCE_KEY, "value": key}]})
        return http(json.dumps(honest).encode())
    return answer


def unfiltered(world: World, step: Step) -> bytes:
    """As a server that knows no filter by tags."""
    return http(json.dumps({"model_versions": versions(world.market)}).encode())


def turning_versions(world: World, step: Step) -> bytes:
    turning_pages.number += 1
    version = {"name": f"{WORKSPACE}.{VICTIM}", "version": str(turning_pages.number), "current_stage": "None", "creation_timestamp": 1,
               "last_updated_timestamp": 1, "status": "READY", "source": "mlflow-artifacts:/1/2/artifacts/model"}
    return http(json.dumps({"model_versions": [version], "next_page_token": f"token {turning_pages.number}"}).encode())


def rooted(at: str) -> Callable[[World, Step], bytes]:
    """A run is made, and its artifacts are said to lie elsewhere."""
    def answer(world: World, step: Step) -> bytes:
        honest = truth(world, step)
        honest["run"]["info"]["artifact_uri"] = at.replace("{world}", str(world.directory))
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
    yield Case("body: redirected to a metadata service", is_file("model.pkl"), redirected("http://169.254.169.254/"),
               WRONG_SIZE | NOT_FOLLOWED)
    yield Case("body: redirected to a file", is_file("model.pkl"), redirected("file:///etc/passwd"), WRONG_SIZE | UNREADABLE)
    for what, total in (("as listed", LARGE_BYTES), ("a petabyte", 1 << 50), ("64 bits", (1 << 63) - 1), ("beyond 64 bits", 10**30),
                        ("nothing", 0)):
        yield Case(f"range: one byte, of {what}", is_large_file, large_file(total), WRONG_SIZE)
    yield Case("body: MLmodel is no YAML", is_file("MLmodel"), said_instead(b"\0\1" * 100), WRONG_SIZE | {None, "missing_mlmodel"})
    for what, uri in SOURCES.items():
        yield Case(f"source: {what}", is_version, source_is(uri, trap), REFUSED_SOURCE)
    yield Case("models: a web page", is_search, said_instead(b"<html>sign in</html>"), UNREADABLE)
    yield Case("models: nothing", is_search, said_instead(b"{}"), {None})
    for what, name in (("4096 bytes", "n" * 4096), ("4096 bytes that climb", "../" * 1365 + "x"),
                       (f"{NAME_BYTES_MAX + 1} bytes", "n" * (NAME_BYTES_MAX + 1)), ("two words and NUL", "nul\0name")):
        yield Case(f"models: a name of {what}", is_search, model_more(name), {"unkeepable_name"}, spares_both=True)
    yield Case("models: pages without end", is_search, turning_models, UNREADABLE)
    yield Case("models: a body without end", is_search, endless(b'{"registered_models": [{"name": "'), UNREADABLE)
    yield Case("models: redirected here", is_search, redirected(f"http://{trap.address}/"), UNREADABLE)
    yield Case("models: cut short", is_search, said_instead(b'{"registered_models": [{"name": "fresh"'), UNREADABLE)
    yield Case("models: compressed", is_search, compressed, UNREADABLE)
    yield Case("models: a list of numbers", is_search, said_instead(b'{"registered_models": [1, 2, 3]}'), UNREADABLE)
    yield from marketplace_cases(trap)


def marketplace_cases(trap: Trap) -> Iterator[Case]:
    def case(name: str, about: Callable[[Step], bool], answer: Callable[[World, Step], bytes], reasons: set) -> Case:
        return Case(f"marketplace: {name}", about, answer, reasons, "marketplace")

    web_page = said_instead(b"<html>sign in</html>")
    for what in ("climbs out", "is a folder above", "escaped", "absolute", "NUL", "4096 bytes"):
        for is_folder in (False, True):
            entry = {"path": PATHS[what], "is_dir": is_folder, **({} if is_folder else {"file_size": 1})}
            yield case(f"listing: a {'folder' if is_folder else 'file'} {what}", is_listing, listing_with(entry), REFUSED_PATH | {"server"})
    yield case("listing: nothing", is_listing, said_instead(b"{}"), {"upload_incomplete"})
    yield case("listing: another size", is_listing, listing_where(lambda file: resized(file, 1)), {"upload_incomplete"})
    yield case("listing: folders without end", is_listing, listing_with({"path": "deeper", "is_dir": True}), REFUSED_PATH)
    yield case("listing: pages without end", is_listing, turning_pages, REFUSED_PATH)
    yield case("listing: redirected here", is_listing, redirected(f"http://{trap.address}/"), UNREADABLE)
    yield case("listing: a web page", is_listing, web_page, UNREADABLE)
    yield case("listing: a body without end", is_listing, endless(b'{"files": [{"path": "'), UNREADABLE)
    yield case("versions: one of another model with our key", is_search_by_key, version_more(f"{WORKSPACE}.{FOREIGN}", "2"),
               UNREADABLE | {None})
    yield case("versions: an older one with our key", is_search_by_key, version_more(f"{WORKSPACE}.{VICTIM}", "1"), UNREADABLE | {None})
    yield case("versions: one that is not there with our key", is_search_by_key, version_more(f"{WORKSPACE}.{VICTIM}", "999"),
               UNREADABLE | {None})
    yield case("versions: all that there are, whatever the key", is_search_by_key, unfiltered, UNREADABLE | {None})
    yield case("versions: pages without end", is_search_by_key, turning_versions, UNREADABLE)
    yield case("versions: redirected here", is_search_by_key, redirected(f"http://{trap.address}/"), UNREADABLE)
    yield case("versions: redirected to a metadata service", is_search_by_key, redirected("http://169.254.169.254/"), NOT_FOLLOWED)
    yield case("versions: a web page", is_search_by_key, web_page, UNREADABLE)
    yield case("versions: a body without end", is_search_by_key, endless(b'{"model_versions": [{"name": "'), UNREADABLE)
    yield case("models: nothing", is_search, said_instead(b"{}"), UNREADABLE | {None})
    yield case("models: redirected here", is_search, redirected(f"http://{trap.address}/"), UNREADABLE)
    yield case("models: a web page", is_search, web_page, UNREADABLE)
    for what, root in (("a file", "file://{world}/stolen"), ("a path", "{world}/stolen"),
                       ("a path that climbs", "mlflow-artifacts:/../../stolen"),
                       ("metadata service", "http://169.254.169.254/latest"), ("this machine", f"http://{trap.address}/1"),
                       ("another proxy", f"mlflow-artifacts://{trap.address}/1"), ("a bucket", "s3://somebody-elses-bucket/1")):
        yield case(f"root of a run: {what}", is_making_run, rooted(root), REFUSED_TARGET)


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

    def work(self) -> list[tuple[str, Callable[[], None]]]:
        """All that there is to try, by name."""
        found: list[tuple[str, Callable[[], None]]] = [(case.name, partial(self.try_one, case)) for case in all_cases(self.trap)]
        found += [(f"files: {what}", partial(self.colliding, f"files: {what}", files)) for what, files in COLLIDING.items()]
        for number, name in enumerate(NAMES):
            found.append((case := f"name: {number} {name[:30]!r}", partial(self.name, case, name)))
        return found

    def try_one(self, case: Case) -> None:
        world = self.world()
        version = world.promote(VICTIM)
        # The marketplace lies about whatever is imported: it is one version, so that its memory can be judged.
        if case.teller == "source":
            world.promote(BYSTANDER)
        run_id = world.source.get("model-versions/get", name=VICTIM, version=version)["model_version"]["run_id"]
        before, promoted = self.outside(world), self.promoted(world)
        # Every run meets it again: what failed for good in an earlier one is tried anew.
        try:
            sequence = self.worlds.verifier.last_sequence()
            problems = self.under(case, world, run_id, before) + self.losses(world, sequence, promoted) + self.after(world)
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
        lie = world.place.board.plan = Lie(case, world, run_id)
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
        got = "ModelExported" if case.teller == "source" else "ModelImported"
        if (got, VICTIM) in done and None not in case.reasons and not case.spares_both:
            problems.append(f"of the victim there is a {got}")
        is_unreadable = any(each.get("error") for each in ended.report.get("workspaces", []))
        if case.spares_both and ("ModelImported", VICTIM) not in done:
            problems.append(f"the victim was not imported: {said(ended)}")
        is_about_victim = case.teller == "source" and not case.name.startswith("models")
        if not is_unreadable and lie.told and (is_about_victim or case.spares_both) and ("ModelImported", BYSTANDER) not in done:
            problems.append(f"another model was not imported: {said(ended)}")
        return problems

    def losses(self, world: World, sequence: int, promoted: dict[str, tuple]) -> list[str]:
        """What was taken for gone since, is there or promoted no longer, though nobody did anything but promote two versions."""
        rows = world.rows(f"""select type, data from ledger.events where workspace = '{WORKSPACE}' and sequence > {sequence}
            and (type = any (array{list(LOSSES)}) or type = 'MarketplacePromotionSet' and data::json ->> 'to' is null)""")
        problems = [f"because of the lie: {row['type']} {json.dumps(row['data'])[:300]}" for row in rows]
        now = self.promoted(world)
        for name, (stages, alias, numbers) in promoted.items():
            stages_now, alias_now, numbers_now = now.get(name, ([], None, []))
            is_ours = name in (f"{WORKSPACE}.{VICTIM}", f"{WORKSPACE}.{BYSTANDER}")
            is_promoted_anew = is_ours and stages_now > stages and len(stages_now) == 1
            if (stages_now, alias_now) != (stages, alias) and not is_promoted_anew:
                problems.append(f"{name} was promoted as {stages} and {alias}, and under the lie became {stages_now} and {alias_now}")
            if gone := set(numbers) - set(numbers_now):
                problems.append(f"of {name} the versions {sorted(gone)} were deleted from the marketplace under the lie")
        return problems

    @staticmethod
    def promoted(world: World) -> dict[str, tuple]:
        """By name, the versions in Production, the one that the alias names and all that there are, as the marketplace says."""
        found: dict[str, tuple] = {}
        every = versions(world.market)
        for model in world.market.models():
            alias = next((int(each["version"]) for each in model.get("aliases", []) if each["alias"] == "champion"), None)
            of_model = [each for each in every if each["name"] == model["name"]]
            stages = [int(each["version"]) for each in of_model if each["current_stage"] == "Production"]
            found[model["name"]] = (sorted(stages), alias, sorted(int(each["version"]) for each in of_model))
        return found

    def after(self, world: World) -> list[str]:
        """The registry tells the truth: what was refused for good is asked for again, and all is as if nothing had been."""
        ended = world.run("sync", "--retry-failed")
        problems = [f"the run after it ended with {ended.status}: {said(ended)}"] if failed(ended) else []
        return problems or aftermath(world, self.worlds.verifier)[0]

    def colliding(self, case: str, files: dict[str, bytes]) -> None:
        """A version that holds files beside each other which are one elsewhere: exported and imported, each with its bytes."""
        world = self.world()
        version = world.promote(VICTIM, stage=None)
        source = world.source.get("model-versions/get", name=VICTIM, version=version)["model_version"]["source"]
        for path, data in files.items():
            world.source.put_file(source, path, data)
        world.source.post("model-versions/transition-stage", name=VICTIM, version=version, stage="Production",
                          archive_existing_versions=True)
        try:
            ended = world.run("sync")
            problems = [f"it ended with {ended.status}: {said(ended)}"] if failed(ended) else self.not_kept(world, version, files)
            problems = problems or aftermath(world, self.worlds.verifier)[0]
        except Exception:
            problems = [traceback.format_exc()]
        self.note(case, problems)

    def not_kept(self, world: World, version: str, files: dict[str, bytes]) -> list[str]:
        """Files that are not in the export or the marketplace under their names, with their bytes."""
        here = f"where type = '%s' and data::json ->> 'name' = '{VICTIM}' and data::json ->> 'version' = '{version}'"
        exported, imported = (world.rows(f"select data from ledger.events {here % kind}") for kind in ("ModelExported", "ModelImported"))
        if len(exported) != 1 or len(imported) != 1:
            return [f"{len(exported)} exports and {len(imported)} imports"]
        folder = world.folder(exported[0]["data"]["uri"])
        listed = json.loads((folder / "manifest.json").read_text())["files"]
        number = str(imported[0]["data"]["marketplace_version"])
        found = next(each for each in versions(world.market, imported[0]["data"]["marketplace_name"]) if each["version"] == number)
        there = self.worlds.verifier.files(world.market, found)
        problems = []
        for path, data in files.items():
            ways = [each["path"] for each in listed if each["path"].endswith(f"/{path}") and each["sha256"] == sha256(data)]
            if len(ways) != 1 or (folder / ways[0]).read_bytes() != data:
                problems.append(f"{path!r} is not in the export: {sorted(each['path'] for each in listed)}")
            if there.get(path) != sha256(data):
                problems.append(f"{path!r} is not in the marketplace: {sorted(there)}")
        return problems

    def name(self, case: str, name: str) -> None:
        """A name that a registry takes: it is imported or refused with a reason, and harms nothing."""
        world = self.world()
        try:
            world.source.post("registered-models/create", name=name, description="a name")
        except RuntimeError as error:
            print(f"  - {case}: MLflow takes none such: {str(error)[:100]}", flush=True)
            self.worlds.tally.tried[NOT_TAKEN] += 1
            self.worlds.tally.survived[NOT_TAKEN] += 1
            return
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
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--only")
    options = parser.parse_args()
    place = Place(options.binary, Path(options.directory), options.cluster, options.source, options.market)
    tally = Tally()
    hostile = Hostile(Worlds(place, tally, "hostile"))
    work = [each for each in hostile.work() if not options.only or options.only in each[0]]
    if options.short:
        random.Random(options.seed).shuffle(work)
    print(f"{len(work)} lies, files and names; seed {options.seed}", flush=True)
    start = time.monotonic()
    for _, attempt in work:
        if options.short and time.monotonic() > start + SHORT_SECONDS:
            break
        attempt()
    tally.table()
    print(json.dumps({"faults": "hostile", "figures": tally.figures()}), flush=True)


if __name__ == "__main__":
    main()
