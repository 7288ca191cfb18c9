"""What can happen to an export in a store, one damage at a time, and what a check has to say of it."""

from __future__ import annotations

import hashlib
import json
import random
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

REQUEST_DEADLINE_S = 30
GROWTH_BYTES_MAX = 5_000
MANIFEST = "manifest.json"
# Of nobody: the server looks whether there is one, and not whether it is right.
SIGNATURE = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
Expected = dict[str, str]


class FolderStore:
    """A store in a folder, changed behind the program's back."""

    name = "folder"

    def __init__(self, root: Path):
        self.root = root
        self.location = f"file://{root}"

    def files(self, folder: str) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in (self.root / folder).rglob("*") if path.is_file())

    def get(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        """In place of the file and not into it: another name of the same bytes keeps them."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        written = target.with_name(f"{target.name}.written")
        written.write_bytes(data)
        written.rename(target)

    def delete(self, path: str) -> None:
        (self.root / path).unlink()


class BucketStore:
    """A store in a bucket of a server that takes any signature."""

    name = "bucket"

    def __init__(self, url: str, bucket: str, prefix: str):
        self.url, self.bucket, self.prefix = url, bucket, prefix
        self.location = f"s3://{bucket}/{prefix}"
        self.call("PUT", "", b"")

    def call(self, method: str, key: str, data: bytes | None = None, query: str = "") -> bytes:
        request = urllib.request.Request(f"{self.url}/{self.bucket}/{quote(key)}{query}", data=data, method=method,
                                         headers={"Content-Type": "application/octet-stream", "Authorization": SIGNATURE})
        with urllib.request.urlopen(request, timeout=REQUEST_DEADLINE_S) as answer:
            return answer.read()

    def files(self, folder: str) -> list[str]:
        page = ElementTree.fromstring(self.call("GET", "", query=f"?list-type=2&prefix={quote(f'{self.prefix}/{folder}/')}"))
        space = page.tag.removesuffix("ListBucketResult")
        assert page.findtext(f"{space}IsTruncated") != "true", "an export of more than a page"
        keys = [item.findtext(f"{space}Key") or "" for item in page.findall(f"{space}Contents")]
        return sorted(key.removeprefix(f"{self.prefix}/") for key in keys)

    def get(self, path: str) -> bytes:
        return self.call("GET", f"{self.prefix}/{path}")

    def put(self, path: str, data: bytes) -> None:
        self.call("PUT", f"{self.prefix}/{path}", data)

    def delete(self, path: str) -> None:
        self.call("DELETE", f"{self.prefix}/{path}")


Store = FolderStore | BucketStore


@dataclass
class Export:
    """One export as it was made."""

    uri: str
    folder: str
    files: dict[str, bytes]

    @property
    def data(self) -> list[str]:
        """The files besides the manifest that hold something."""
        return [path for path, held in self.files.items() if path != MANIFEST and held]


@dataclass
class Damage:
    """One damage to one export: what it did, and what a check has to name, by file."""

    kind: str
    export: Export
    expected: Expected
    words: str = ""
    touched: set[str] = field(default_factory=set)


class Harm:
    """Does damages of every kind."""

    def __init__(self, store: Store, chance: random.Random):
        self.store, self.chance = store, chance
        self.kinds: dict[str, Callable[[Export, list[Export]], Damage]] = {
            "bit flip in a file": self.flip_file, "bit flip in a manifest": self.flip_manifest,
            "file cut short": self.truncate_file, "manifest cut short": self.truncate_manifest,
            "file grown": self.grow_file, "manifest grown": self.grow_manifest, "two files swapped": self.swap,
            "file missing": self.lose_file, "manifest missing": self.lose_manifest, "file emptied": self.empty_file,
            "manifest emptied": self.empty_manifest, "file replaced": self.replace_file,
            "manifest of another export": self.foreign_manifest, "manifest that fits a changed file": self.forge,
            "file too many": self.add_file, "folder gone": self.lose_folder,
        }

    def do(self, kind: str, export: Export, others: list[Export]) -> Damage:
        return self.kinds[kind](export, others)

    def restore(self, damage: Damage) -> None:
        """As it was, byte for byte."""
        for path in damage.touched:
            place = f"{damage.export.folder}/{path}"
            if path in damage.export.files:
                self.store.put(place, damage.export.files[path])
            else:
                self.store.delete(place)

    # One kind each.

    def flip_file(self, export: Export, others: list[Export]) -> Damage:
        path = self.chance.choice(export.data)
        return self.put("bit flip in a file", export, path, self.flipped(export.files[path]), {path: "file_changed"})

    def flip_manifest(self, export: Export, others: list[Export]) -> Damage:
        return self.manifest("bit flip in a manifest", export, self.flipped(export.files[MANIFEST]))

    def truncate_file(self, export: Export, others: list[Export]) -> Damage:
        path = self.chance.choice([path for path in export.data if len(export.files[path]) > 1])
        held = export.files[path]
        return self.put("file cut short", export, path, held[:self.chance.randrange(1, len(held))], {path: "file_truncated"})

    def truncate_manifest(self, export: Export, others: list[Export]) -> Damage:
        held = export.files[MANIFEST]
        return self.manifest("manifest cut short", export, held[:self.chance.randrange(1, len(held))])

    def grow_file(self, export: Export, others: list[Export]) -> Damage:
        path = self.chance.choice(export.data)
        return self.put("file grown", export, path, export.files[path] + self.noise(), {path: "file_grown"})

    def grow_manifest(self, export: Export, others: list[Export]) -> Damage:
        # White space changes nothing of what JSON says, and is damage all the same.
        more = self.chance.choice([b"\n", b" ", self.noise()])
        return self.manifest("manifest grown", export, export.files[MANIFEST] + more)

    def swap(self, export: Export, others: list[Export]) -> Damage:
        first, second = self.chance.sample(export.data, 2)
        held = export.files
        if held[first] == held[second]:
            raise AssertionError("two files of an export are the same, so that swapping them changes nothing")
        self.store.put(f"{export.folder}/{first}", held[second])
        self.store.put(f"{export.folder}/{second}", held[first])
        return Damage("two files swapped", export, {first: "file_swapped", second: "file_swapped"},
                      f"{first} and {second}", {first, second})

    def lose_file(self, export: Export, others: list[Export]) -> Damage:
        path = self.chance.choice([path for path in export.files if path != MANIFEST])
        return self.lose("file missing", export, path, {path: "file_missing"})

    def lose_manifest(self, export: Export, others: list[Export]) -> Damage:
        return self.lose("manifest missing", export, MANIFEST, {MANIFEST: "manifest_missing"})

    def empty_file(self, export: Export, others: list[Export]) -> Damage:
        path = self.chance.choice(export.data)
        return self.put("file emptied", export, path, b"", {path: "file_empty"})

    def empty_manifest(self, export: Export, others: list[Export]) -> Damage:
        return self.manifest("manifest emptied", export, b"")

    def replace_file(self, export: Export, others: list[Export]) -> Damage:
        path = self.chance.choice([path for path in export.data if len(export.files[path]) > 16])
        return self.put("file replaced", export, path, self.chance.randbytes(len(export.files[path])), {path: "file_changed"})

    def foreign_manifest(self, export: Export, others: list[Export]) -> Damage:
        return self.manifest("manifest of another export", export, self.chance.choice(others).files[MANIFEST])

    def forge(self, export: Export, others: list[Export]) -> Damage:
        """A file changed together with what the manifest says of it; only the ledger knows better."""
        path = self.chance.choice(export.data)
        changed = self.flipped(export.files[path])
        manifest = json.loads(export.files[MANIFEST])
        for file in manifest["files"]:
            if file["path"] == path:
                file["sha256"] = hashlib.sha256(changed).hexdigest()
        self.store.put(f"{export.folder}/{path}", changed)
        damage = self.manifest("manifest that fits a changed file", export, json.dumps(manifest, sort_keys=True, indent=2).encode())
        damage.touched.add(path)
        return damage

    def add_file(self, export: Export, others: list[Export]) -> Damage:
        beside = self.chance.choice(list(export.files))
        name = f"{self.chance.randrange(1 << 32):08x}.{self.chance.choice(['bin', 'json', 'part', 'tmp'])}"
        path = str(Path(beside).parent / name)
        return self.put("file too many", export, path, self.noise(), {path: "file_extra"})

    def lose_folder(self, export: Export, others: list[Export]) -> Damage:
        for path in export.files:
            self.store.delete(f"{export.folder}/{path}")
        return Damage("folder gone", export, {MANIFEST: "manifest_missing"}, export.folder, set(export.files))

    # Parts of them.

    def flipped(self, data: bytes) -> bytes:
        bit = self.chance.randrange(len(data) * 8)
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def noise(self) -> bytes:
        return self.chance.randbytes(self.chance.randrange(1, GROWTH_BYTES_MAX))

    def manifest(self, kind: str, export: Export, data: bytes) -> Damage:
        return self.put(kind, export, MANIFEST, data, {MANIFEST: "manifest_changed"})

    def put(self, kind: str, export: Export, path: str, data: bytes, expected: Expected) -> Damage:
        self.store.put(f"{export.folder}/{path}", data)
        before = len(export.files.get(path, b""))
        return Damage(kind, export, expected, f"{path}: {before} → {len(data)} bytes", {path})

    def lose(self, kind: str, export: Export, path: str, expected: Expected) -> Damage:
        self.store.delete(f"{export.folder}/{path}")
        return Damage(kind, export, expected, path, {path})
