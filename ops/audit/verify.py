#!/usr/bin/env python3
"""Verifies what was exported of the ledger, with nothing but Python's standard library.

usage: verify.py FILE VERIFIER_KEY [--at TIME]

FILE is what `marketplace audit export` wrote, the whole log: for each event its leaf and, below it, its data; then an empty
line and the signed checkpoint. Or a segment, which is the same of some of its positions, behind a line that proves them. Or
what `marketplace audit bundle` wrote, a ZIP archive with the events of one model, each with its proof. Or what `audit prove` or
`audit consistency` printed. VERIFIER_KEY is what `marketplace audit keygen` printed: NAME+ID+KEY.

Ends with 0 when the checkpoint is signed by that key, its root is that of the leaves (RFC 6962), all data has the hash that
its leaf gives it or was redacted by another event, and no event of a bundle's model and workspace is left out before its last
one; with 8 when it is not so, and with 2 for what cannot be read. A bundle's summary.html is not verified.
With --at (RFC 3339, UTC) a bundle also answers what was in production then, as it was known: from its events alone.

It shares nothing with the program that wrote the export but the documentation of the formats.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import sys
import zipfile
from typing import Any, BinaryIO

# Ed25519 as RFC 8032, section 5.1 and appendix A, define it: slow, and short enough to be read.

PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
ROOT_OF_MINUS_ONE = pow(2, (PRIME - 1) // 4, PRIME)
Point = tuple[int, int, int, int]


def add(a: Point, b: Point) -> Point:
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % PRIME, (a[1] + a[0]) * (b[1] + b[0]) % PRIME
    u, v = 2 * a[3] * b[3] * CURVE % PRIME, 2 * a[2] * b[2] % PRIME
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def multiply(times: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while times:
        if times & 1:
            result = add(result, point)
        point, times = add(point, point), times >> 1
    return result


def same(a: Point, b: Point) -> bool:
    return (a[0] * b[2] - b[0] * a[2]) % PRIME == 0 and (a[1] * b[2] - b[1] * a[2]) % PRIME == 0


def decompressed(text: bytes) -> Point | None:
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, PRIME - 2, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT_OF_MINUS_ONE % PRIME
    if (x * x - square) % PRIME or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = PRIME - x
    return x, y, 1, x * y % PRIME


BASE = decompressed((4 * pow(5, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little"))


def is_signed(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    public, point = decompressed(key), decompressed(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if public is None or point is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    return same(multiply(scalar, BASE), add(point, multiply(challenge, public)))


class Malformed(Exception):
    """What cannot be read."""


class Wrong(Exception):
    """What is not as it should be."""


class Tree:
    """The roots of the complete subtrees that a tree of so many leaves is made of, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self.roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        node, rest = hashlib.sha256(b"\0" + leaf).digest(), self.size
        while rest & 1:
            node, rest = hashlib.sha256(b"\1" + self.roots.pop() + node).digest(), rest >> 1
        self.roots.append(node)
        self.size += 1

    def root(self) -> bytes:
        if not self.roots:
            return hashlib.sha256(b"").digest()
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = hashlib.sha256(b"\1" + left + node).digest()
        return node


def leaf_values(leaf: bytes, position: int) -> list[Any]:
    values = json.loads(leaf)
    if not isinstance(values, list) or len(values) != 17 or values[1] != position:
        raise Wrong(f"the leaf of event {position} is not that of position {position}")
    return values


def check_data(parts: Any, values: list[Any]) -> bool:
    """Whether there was data to check; it may have been redacted."""
    position = values[1]
    if parts is None:
        return False
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise Malformed(f"there is no data below the leaf of event {position}")
    salt, data = parts
    if hashlib.sha256(bytes.fromhex(salt) + data.encode()).hexdigest() != values[16]:
        raise Wrong(f"the data of event {position} does not have the hash that its leaf gives it")
    return True


class Redactions:
    """Events without data, and those of which an event says that they were redacted."""

    def __init__(self) -> None:
        self.without_data: dict[tuple[str, int], int] = {}
        self.redacted: set[tuple[str, int]] = set()

    def take(self, values: list[Any], has_data: bool) -> None:
        if not has_data:
            self.without_data[values[2], values[3]] = values[1]
        if values[7] == "EventRedacted":
            self.redacted.add((values[13], values[14]))

    def check(self) -> None:
        for place, position in self.without_data.items():
            if place not in self.redacted:
                raise Wrong(f"event {position} has no data, and no event says that it was redacted")


def unencoded(text: str) -> bytes:
    """Base64 as it is written in one way only."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise Malformed("the base64 is not written as it has to be")
    return data


def read_note(note: bytes) -> tuple[str, list[tuple[str, int, bytes]]]:
    """The text of a signed note, and its signatures: the key's name, its id, and the rest (C2SP signed-note)."""
    text, gap, lines = note.decode().rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Malformed("the export ends without a signed checkpoint: it is cut short")
    if any(ord(character) < 0x20 and character != "\n" for character in text):
        raise Malformed("the checkpoint has control characters")
    signatures = []
    for line in lines[:-1].split("\n"):
        dash, *parts = line.split(" ")
        if dash != "\u2014" or len(parts) != 2 or not parts[0] or re.search(r"[\s+\x00-\x1f]", parts[0]):
            raise Malformed("a line below the checkpoint is no signature")
        data = unencoded(parts[1])
        if len(data) < 5:
            raise Malformed("a signature below the checkpoint is too short")
        signatures.append((parts[0], int.from_bytes(data[:4], "big"), data[4:]))
    return text + "\n", signatures


def read_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root that a checkpoint names (C2SP tlog-checkpoint)."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not lines[0] or "" in lines[3:-1]:
        raise Malformed("a checkpoint has three lines: its origin, its size, and its root in base64")
    if not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) or int(lines[1]) >= 2**63 or len(root := unencoded(lines[2])) != 32:
        raise Malformed("a checkpoint's size is a number and its root has 32 bytes")
    return lines[0], int(lines[1]), root


def check_note(note: bytes, key: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint that the key has signed."""
    name, _, rest = key.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = base64.b64decode(encoded, validate=True)
    if len(typed) != 33 or typed[0] != 1:
        raise Malformed("the verifier key is none: NAME+ID+KEY, of Ed25519")
    if hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8] != key_id:
        raise Malformed("the verifier key's id is not that of its name and key")
    text, signatures = read_note(note)
    own = [signature for signer, number, signature in signatures if signer == name and f"{number:08x}" == key_id]
    if not own:
        raise Wrong("the key has not signed the checkpoint")
    if not all(is_signed(typed[1:], text.encode(), signature) for signature in own):
        raise Wrong("the checkpoint's signature is not that of the key")
    return read_checkpoint(text)


def read_events(file: BinaryIO, before: int) -> tuple[Tree, int, Redactions]:
    """The tree of the events up to an empty line, and how many have data; the first stands after so many others."""
    tree, checked, redactions = Tree(), 0, Redactions()
    while (leaf := file.readline()) != b"\n":
        data = file.readline()
        if not data.endswith(b"\n"):
            raise Malformed(f"the file ends within event {before + tree.size + 1}: it is cut short")
        tree.append(leaf[:-1])
        values = leaf_values(leaf, before + tree.size)
        has_data = check_data(json.loads(data), values)
        redactions.take(values, has_data)
        checked += has_data
    return tree, checked, redactions


def verify_export(path: str, key: str) -> str:
    with open(path, "rb") as export:
        tree, checked, redactions = read_events(export, 0)
        origin, size, root = check_note(export.read(), key)
    redactions.check()
    if tree.size != size:
        raise Wrong(f"the export has {tree.size} events, its checkpoint {size}")
    if tree.root() != root:
        raise Wrong(f"the {size} events do not have the root of their checkpoint")
    return f"{origin}: {size} events have the signed root {root.hex()}, and {checked} the data that was recorded"


def verify_segment(path: str, key: str) -> str:
    """A complete subtree is to the levels above it what a leaf is to the whole tree."""
    with open(path, "rb") as segment:
        header = json.loads(segment.readline())
        first, last = header["first"], header["last"]
        tree, checked, redactions = read_events(segment, first - 1)
        origin, size, root = check_note(segment.read(), key)
    count = last - first + 1
    if tree.size != count or count & (count - 1) or (first - 1) % count or not 1 <= first <= last <= size:
        raise Wrong(f"the segment has {tree.size} events, which are not positions {first} to {last} of {size}")
    proof = [base64.b64decode(sibling, validate=True) for sibling in header["hashes"]]
    if root_above(tree.root(), (first - 1) // count, (size - 1) // count + 1, proof) != root:
        raise Wrong(f"the proof of positions {first} to {last} does not lead to the signed root")
    return (
        f"{origin}: {count} events, positions {first} to {last}, are in the log of {size} events with the signed root {root.hex()}, and "
        f"{checked} have the data that was recorded; that {len(redactions.without_data)} were redacted, events of other segments say"
    )


def proven_root(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that the inclusion proof of a leaf leads to."""
    return root_above(hashlib.sha256(b"\0" + leaf).digest(), index, size, proof)


def root_above(node: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """The root that a proof leads to from the hash of a leaf (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise Wrong(f"position {index + 1} is not within the checkpoint's {size} events")
    place, last = index, size - 1
    for sibling in proof:
        if len(sibling) != 32 or last == 0:
            raise Wrong(f"the proof of position {index + 1} has not the length or the hashes that it must have")
        if place & 1 or place == last:
            node = hashlib.sha256(b"\1" + sibling + node).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\1" + node + sibling).digest()
        place, last = place >> 1, last >> 1
    if last:
        raise Wrong(f"the proof of position {index + 1} is too short")
    return node


def is_consistent(earlier: int, earlier_root: bytes, later: int, later_root: bytes, proof: list[bytes]) -> bool:
    """Whether a proof shows that the larger tree begins with all of the smaller one (RFC 9162, section 2.1.4.2)."""
    if not 0 < earlier <= later or any(len(sibling) != 32 for sibling in proof):
        return False
    if earlier == later:
        return not proof and earlier_root == later_root
    first, *rest = proof if earlier & (earlier - 1) else [earlier_root, *proof]
    place, last = earlier - 1, later - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = first
    for sibling in rest:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = (hashlib.sha256(b"\1" + sibling + node).digest() for node in (old, new))
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = hashlib.sha256(b"\1" + new + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and old == earlier_root and new == later_root


def verify_proof(proof: dict[str, Any], key: str) -> str:
    hashes = [base64.b64decode(sibling, validate=True) for sibling in proof["hashes"]]
    if "leaf" in proof:
        (origin, size, root), leaf, position = check_note(proof["checkpoint"].encode(), key), proof["leaf"].encode(), proof["position"]
        if proven_root(leaf, position - 1, size, hashes) != root:
            raise Wrong(f"the proof of position {position} does not lead to the signed root")
        values = leaf_values(leaf, position)
        return f"{origin}: event {values[2]}/{values[3]}, {values[7]}, is position {position} of the log of {size} events with the signed root {root.hex()}"
    (origin, earlier, earlier_root), (other, later, root) = (check_note(proof[name].encode(), key) for name in ("earlier", "later"))
    if origin != other or not is_consistent(earlier, earlier_root, later, root, hashes):
        raise Wrong(f"that the log of {later} events begins with that of {earlier} is not proven")
    return f"{origin}: the log of {later} events with the signed root {root.hex()} begins with that of {earlier}, root {earlier_root.hex()}"


class Story:
    """What the events of one model amount to: what the source meant, and what could be loaded."""

    def __init__(self) -> None:
        self.stages: dict[tuple[int, int], str] = {}
        self.aliases: dict[str, tuple[int, int]] = {}
        self.rule: dict[str, list[str]] = {"aliases": [], "stages": []}
        self.manifests: dict[str, dict[int, str]] = {}
        self.available: dict[str, dict[str, Any]] = {}

    def take(self, kind: str, data: dict[str, Any]) -> None:
        version = (data.get("version", 0), data.get("created", 0))
        if kind == "WorkspaceConnected":
            promoted = data.get("promoted", {})
            self.rule = {name: promoted.get(name, []) for name in ("aliases", "stages")}
        elif kind == "WorkspaceDisconnected":
            self.rule = {"aliases": [], "stages": []}
        elif kind == "ModelVersionRegistered":
            for known in [known for known in self.stages if known[0] == version[0]]:
                del self.stages[known]
            self.stages[version] = "None"
        elif kind == "ModelVersionDeleted":
            self.stages.pop(version, None)
        elif kind == "StageTransitioned" and version in self.stages:
            self.stages[version] = data["to"]
        elif kind == "AliasAssigned":
            self.aliases[data["alias"]] = version
        elif kind == "AliasRemoved":
            self.aliases.pop(data["alias"], None)
        elif kind == "ModelImported":
            self.manifests.setdefault(data["target"], {})[data["marketplace_version"]] = data["manifest_sha256"]
        elif kind == "MarketplacePromotionSet":
            self.available[data["target"]] = data
        elif kind == "ImportLost":
            known = self.available.get(data["target"])
            if known and known.get("to") == data.get("marketplace_version"):
                del self.available[data["target"]]

    def meant(self) -> str:
        for alias in self.rule["aliases"]:
            if (version := self.aliases.get(alias)) in self.stages:
                return f"version {version[0]}, by alias {alias}"
        for stage in self.rule["stages"]:
            if numbers := [version[0] for version, at in self.stages.items() if at == stage]:
                return f"version {max(numbers)}, in stage {stage}"
        return "no version"

    def told(self) -> list[str]:
        lines = [f"  the source meant {self.meant()}"]
        for target, data in self.available.items():
            if data.get("to") is None:
                continue
            digest = self.manifests.get(target, {}).get(data["to"], "unknown")
            lines.append(
                f"  {data['marketplace_name']} version {data['to']} could be loaded, which is the source's version "
                f"{data['version']}, manifest SHA-256 {digest}"
            )
        return lines if len(lines) > 1 else [*lines, "  no version could be loaded from the marketplace"]


def check_streams(events: list[list[Any]], workspace: str, model: str) -> int:
    """Whether the streams of the model and of its workspace are whole: each counts its events from 1, without a gap."""
    for stream in (f"model/{model}", "workspace"):
        versions = [values[5] for values in events if values[4] == stream]
        if versions != list(range(1, len(versions) + 1)):
            raise Wrong(f"events of stream {stream} of {workspace} are left out: their versions are not 1 to {len(versions)}")
        if not versions:
            raise Wrong(f"there is no event of stream {stream} of {workspace}")
    for values in events:
        if values[2] != workspace or values[4] not in (f"model/{model}", "workspace", "redactions"):
            raise Wrong(f"position {values[1]} is an event of {values[2]}, {values[4]}, and has no place in this archive")
    return sum(values[4] == f"model/{model}" for values in events)


def check_manifests(archive: zipfile.ZipFile, exported: dict[str, int]) -> int:
    count = 0
    for name in archive.namelist():
        if name.startswith("manifests/"):
            digest = hashlib.sha256(archive.read(name)).hexdigest()
            if digest not in exported or name != f"manifests/{digest}.json":
                raise Wrong(f"{name} is not a manifest that an event names")
            count += 1
    return count


def verify_bundle(path: str, key: str, at: str | None) -> str:
    with zipfile.ZipFile(path) as archive:
        evidence = json.loads(archive.read("evidence.json"))
        origin, size, root = check_note(evidence["checkpoint"].encode(), key)
        if archive.read("checkpoint") != evidence["checkpoint"].encode():
            raise Wrong("the file checkpoint is not the checkpoint that the proofs lead to")
        events, exported, redactions, story, before, names = [], {}, Redactions(), Story(), 0, ["?"]
        for event in evidence["events"]:
            leaf, position = event["leaf"].encode(), event["position"]
            if proven_root(leaf, position - 1, size, [base64.b64decode(h, validate=True) for h in event["hashes"]]) != root:
                raise Wrong(f"the proof of position {position} does not lead to the signed root")
            values = leaf_values(leaf, position)
            if events and position <= events[-1][1]:
                raise Wrong(f"position {position} stands after {events[-1][1]}")
            events.append(values)
            parts = None if event.get("data") is None else [event["salt"], event["data"]]
            has_data = check_data(parts, values)
            redactions.take(values, has_data)
            if not has_data:
                continue
            data = json.loads(event["data"])
            if values[7] == "ModelExported":
                exported[data["manifest_sha256"]] = position
            if "name" in data and values[4] != "redactions":
                names.append(str(data["name"]))
            if at is None or values[9] <= at:
                story.take(values[7], data)
                before += 1
        redactions.check()
        count = check_streams(events, evidence["workspace"], evidence["model"])
        manifests = check_manifests(archive, exported)
    told = [values for values in events if values[4] != "redactions"]
    lines = [
        f"{origin}: {count} events of {evidence['workspace']}/{names[-1]} and {len(events) - count} of its workspace are in the log of "
        f"{size} events with the signed root {root.hex()}",
        f"none is left out up to the last, position {told[-1][1]}, recorded {told[-1][9]}; "
        f"{len(events) - len(redactions.without_data)} have the data that was recorded, {len(redactions.without_data)} were redacted; "
        f"{manifests} manifests have the digests that events name",
    ]
    if at is not None:
        lines.append(f"at {at}, by the {before} of them recorded by then:")
        lines += story.told()
        if at > told[-1][9]:
            lines.append("  nothing after the last of them is in this archive")
    return "\n".join(printable(line) for line in lines)


def printable(text: str) -> str:
    """Names are whatever somebody called a model: none may write lines of its own, or colour them."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def is_object(path: str) -> bool:
    """So begins a segment or a proof; an export begins with a leaf."""
    with open(path, "rb") as file:
        return file.read(1) == b"{"


def proof_in(path: str) -> dict[str, Any] | None:
    """An object that is all of a file; a segment is only headed by one."""
    with open(path, "rb") as file:
        try:
            return json.loads(file.read(1 << 20))
        except ValueError:
            return None


def moment(text: str) -> str:
    """A time as leaves have it."""
    match = re.fullmatch(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?Z)?", text)
    if not match:
        raise Malformed(f"--at {text}: write 2026-03-01 or 2026-03-01T09:30:00Z")
    return f"{match[1]}T{match[2] or '00:00:00'}.{(match[3] or '').ljust(6, '0')}Z"


def main() -> int:
    arguments = sys.argv[1:]
    at = None
    try:
        if len(arguments) == 4 and arguments[2] == "--at":
            at = moment(arguments[3])
            del arguments[2:]
        if len(arguments) != 2:
            print(__doc__, file=sys.stderr)
            return 2
        path, key = arguments
        if zipfile.is_zipfile(path):
            print(verify_bundle(path, key, at))
        elif at is not None:
            raise Malformed("--at is asked of a bundle")
        elif is_object(path):
            proof = proof_in(path)
            print(printable(verify_proof(proof, key)) if proof else verify_segment(path, key))
        else:
            print(verify_export(path, key))
    except Wrong as error:
        print(f"WRONG: {printable(str(error))}")
        return 8
    except (Malformed, OSError, ValueError, TypeError, LookupError, RecursionError, binascii.Error, zipfile.BadZipFile) as error:
        print(f"cannot be read: {printable(str(error))}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
