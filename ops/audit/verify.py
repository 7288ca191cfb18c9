#!/usr/bin/env python3
"""Verifies an export of the ledger with nothing but Python's standard library.

usage: verify.py EXPORT VERIFIER_KEY

EXPORT is what `marketplace audit export` wrote: for each event its leaf and, below it, its data; then an empty line and the
signed checkpoint. VERIFIER_KEY is what `marketplace audit keygen` printed: NAME+ID+KEY. Ends with 0 when the checkpoint is
signed by that key, its root is that of the leaves (RFC 6962), and all data has the hash that its leaf gives it; with 8 when
it is not so, and with 2 for what cannot be read.

It shares nothing with the program that wrote the export but the documentation of the formats.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import sys

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


def check_data(line: bytes, leaf: bytes, position: int) -> bool:
    """Whether there was data to check; it may have been redacted."""
    try:
        values, parts = json.loads(leaf), json.loads(line)
    except ValueError as error:
        raise Malformed(f"the lines of event {position} are not JSON") from error
    if not isinstance(values, list) or len(values) != 17 or values[1] != position:
        raise Wrong(f"the leaf of event {position} is not that of position {position}")
    if parts is None:
        return False
    if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise Malformed(f"there is no data below the leaf of event {position}")
    salt, data = parts
    if hashlib.sha256(bytes.fromhex(salt) + data.encode()).hexdigest() != values[16]:
        raise Wrong(f"the data of event {position} does not have the hash that its leaf gives it")
    return True


def check_note(note: bytes, key: str) -> tuple[str, int, bytes]:
    """Origin, size and root of a checkpoint that the key has signed."""
    name, _, rest = key.partition("+")
    key_id, _, encoded = rest.partition("+")
    typed = base64.b64decode(encoded, validate=True)
    if len(typed) != 33 or typed[0] != 1:
        raise Malformed("the verifier key is none: NAME+ID+KEY, of Ed25519")
    if hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8] != key_id:
        raise Malformed("the verifier key's id is not that of its name and key")
    text, gap, lines = note.rpartition(b"\n\n")
    if not gap:
        raise Malformed("the export ends without a signed checkpoint: it is cut short")
    text += b"\n"
    signed = False
    for line in lines.decode().splitlines():
        dash, signer, signature = line.split(" ")
        data = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and data[:4].hex() == key_id:
            if not is_signed(typed[1:], text, data[4:]):
                raise Wrong("the checkpoint's signature is not that of the key")
            signed = True
    if not signed:
        raise Wrong("the key has not signed the checkpoint")
    origin, size, root = text.decode().split("\n")[:3]
    return origin, int(size), base64.b64decode(root, validate=True)


def verify(path: str, key: str) -> str:
    tree, checked = Tree(), 0
    with open(path, "rb") as export:
        while (leaf := export.readline()) != b"\n":
            data = export.readline()
            if not data.endswith(b"\n"):
                raise Malformed(f"the export ends within event {tree.size + 1}: it is cut short")
            tree.append(leaf[:-1])
            checked += check_data(data, leaf, tree.size)
        origin, size, root = check_note(export.read(), key)
    if tree.size != size:
        raise Wrong(f"the export has {tree.size} events, its checkpoint {size}")
    if tree.root() != root:
        raise Wrong(f"the {size} events do not have the root of their checkpoint")
    return f"{origin}: {size} events have the signed root {root.hex()}, and {checked} the data that was recorded"


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(verify(sys.argv[1], sys.argv[2]))
    except Wrong as error:
        print(f"WRONG: {error}")
        return 8
    except (Malformed, OSError, ValueError, TypeError, RecursionError, binascii.Error) as error:
        print(f"cannot be read: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
