"""Verifies a published log and proofs of it by pymerkle, sigstore and the verifier that goes with a bundle, and holds that
verifier against the vectors that ours is held against.

usage: others.py LOG PROOFS

LOG is the folder of the published log, PROOFS a JSON object: key (the verifier key), sizes, inclusion (index, size, hashes in
base64) and consistency (earlier, later, hashes). Fails where any of them is not theirs, and where one of a thousand proofs of each
kind that were changed is believed.
"""

from __future__ import annotations

import base64
import json
import random
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pymerkle import InmemoryTree, verify_consistency, verify_inclusion
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint
from sigstore.errors import VerificationError

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS.parent / "ops" / "audit"))
import verify  # noqa: E402

MUTATIONS = 1000


def entries(log: Path, size: int) -> list[bytes]:
    """The leaves, from their tiles."""
    leaves: list[bytes] = []
    while len(leaves) < size:
        tile, width = len(leaves) // 256, min(256, size - len(leaves))
        assert tile < 1000, "this reader knows paths of one group of digits"
        file = log / "tile" / "entries" / (f"{tile:03}" if width == 256 else f"{tile:03}.p/{width}")
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack(">H", data[:2])
            leaves.append(data[2 : 2 + length])
            data = data[2 + length :]
    return leaves


def decoded(hashes: list[str]) -> list[bytes]:
    return [base64.b64decode(each) for each in hashes]


def by_sigstore(leaf: bytes, index: int, size: int, hashes: list[bytes], root: bytes) -> bool:
    proof = SimpleNamespace(log_index=index, tree_size=size, hashes=hashes, root_hash=root)
    try:
        verify_merkle_inclusion(SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=leaf)))
    except (VerificationError, ValueError):
        return False
    return True


def by_verifier(leaf: bytes, index: int, size: int, hashes: list[bytes], root: bytes) -> bool:
    try:
        return verify.proven_root(leaf, index, size, hashes) == root
    except verify.Wrong:
        return False


def flipped(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) * 8)
    return bytes(byte ^ (1 << place % 8) if number == place // 8 else byte for number, byte in enumerate(data))


def mutate(inclusion: list[dict], leaves: list[bytes], roots: dict[int, bytes]) -> None:
    """Each changed in one thing; none may be believed."""
    chance = random.Random(6962)
    for number in range(MUTATIONS):
        each = chance.choice(inclusion)
        index, size, hashes = each["index"], each["size"], decoded(each["hashes"])
        leaf, root, place = leaves[index], roots[size], chance.randrange(len(hashes))
        match number % 8:
            case 0:
                leaf = flipped(leaf, chance)
            case 1:
                root = flipped(root, chance)
            case 2:
                hashes[place] = flipped(hashes[place], chance)
            case 3:
                del hashes[place]
            case 4:
                hashes.insert(place, chance.choice([bytes(32), hashes[place], chance.randbytes(32)]))
            case 5:
                other = chance.randrange(len(hashes))
                if hashes[place] == hashes[other]:
                    other = place
                hashes[place], hashes[other] = hashes[other], hashes[place]
                if place == other:
                    hashes[place] = flipped(hashes[place], chance)
            case 6:
                index = chance.choice([n for n in range(size) if n != index])
            case _:
                leaf = leaves[chance.choice([n for n in range(size) if n != index])]
        assert not by_sigstore(leaf, index, size, hashes, root), f"sigstore believes mutation {number} of {each}"
        assert not by_verifier(leaf, index, size, hashes, root), f"verify.py believes mutation {number} of {each}"


def mutate_consistency(consistency: list[dict], roots: dict[int, bytes]) -> None:
    chance = random.Random(9162)
    for number in range(MUTATIONS):
        each = chance.choice([one for one in consistency if one["hashes"]])
        earlier, later, hashes = each["earlier"], each["later"], decoded(each["hashes"])
        old, new, place = roots[earlier], roots[later], chance.randrange(len(hashes))
        match number % 7:
            case 0:
                old = flipped(old, chance)
            case 1:
                new = flipped(new, chance)
            case 2:
                hashes[place] = flipped(hashes[place], chance)
            case 3:
                del hashes[place]
            case 4:
                hashes.insert(place, chance.choice([bytes(32), hashes[place], chance.randbytes(32)]))
            case 5:
                old, new = new, old
            case _:
                earlier = chance.choice([n for n in range(1, later) if n != earlier and n.bit_length() != earlier.bit_length()])
        assert not verify.is_consistent(earlier, old, later, new, hashes), f"verify.py believes mutation {number} of {each}"


def known_vectors() -> None:
    """What others have published of trees and proofs, and our own leaves."""
    vectors = json.loads((TESTS / "TransparencyTests" / "Vectors" / "merkle.json").read_text())
    entries, roots = ([bytes.fromhex(text) for text in vectors[name]] for name in ("entries", "roots"))
    tree = verify.Tree()
    for entry, root in zip(entries, roots, strict=True):
        tree.append(entry)
        assert tree.root() == root, f"verify.py has another root of {tree.size} known leaves"
    for each in vectors["inclusion"]:
        hashes = [bytes.fromhex(text) for text in each["hashes"]]
        assert by_verifier(entries[each["index"]], each["index"], each["size"], hashes, roots[each["size"] - 1]), each
    for each in vectors["consistency"]:
        hashes, earlier, later = [bytes.fromhex(text) for text in each["hashes"]], each["earlier"], each["later"]
        assert verify.is_consistent(earlier, roots[earlier - 1], later, roots[later - 1], hashes), each
    for each in json.loads((TESTS / "LedgerTests" / "Vectors" / "leaves.json").read_text()):
        values = verify.leaf_values(each["leaf"].encode(), each["position"])
        named = ("workspace", "sequence", "stream", "version", "id", "type", "type_version", "recorded_at", "occurred_at", "principal", "run")
        assert [each.get(name) for name in named] == values[2:13], each["position"]
        tree = verify.Tree()
        tree.append(each["leaf"].encode())
        assert tree.root().hex() == each["leaf_hash"], each["position"]
        assert "data" not in each or verify.check_data([each["salt"], each["data"]], values), each["position"]
    known_notes(json.loads((TESTS / "TransparencyTests" / "Vectors" / "notes.json").read_text()))


def known_notes(vectors: dict[str, Any]) -> None:
    for name, read in (("notes", lambda text: verify.read_note(text.encode())), ("checkpoints", verify.read_checkpoint)):
        for text in vectors[name]["refused"]:
            try:
                read(text)
            except (verify.Malformed, ValueError):
                continue
            raise AssertionError(f"verify.py takes what is refused of {name}: {text!r}")
    for each in vectors["notes"]["taken"]:
        signatures = [(name, number, bytes.fromhex(rest)) for name, number, rest in each["signatures"]]
        assert verify.read_note(each["note"].encode()) == (each["text"], signatures), each
    for each in vectors["checkpoints"]["taken"]:
        assert verify.read_checkpoint(each["text"]) == (each["origin"], each["size"], base64.b64decode(each["root"])), each


def main() -> None:
    known_vectors()
    log, proofs = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    key = base64.b64decode(proofs["key"].split("+", 2)[2])
    roots: dict[int, bytes] = {}
    for size in proofs["sizes"]:
        text = (log / "checkpoints" / str(size)).read_text()
        signed = SignedCheckpoint.from_text(text)
        assert signed.checkpoint.log_size == size
        roots[size] = bytes.fromhex(signed.checkpoint.log_hash)
        (signature,) = signed.signed_note.signatures
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(
            base64.b64decode(signature.signature), (text.rpartition("\n\n")[0] + "\n").encode())

    leaves = entries(log, max(roots))
    tree = InmemoryTree(algorithm="sha256")
    for number, leaf in enumerate(leaves, 1):
        tree.append_entry(leaf)
        assert number not in roots or tree.get_root() == roots[number], f"pymerkle has another root of {number} events"

    for each in proofs["inclusion"]:
        index, size, hashes = each["index"], each["size"], decoded(each["hashes"])
        mine = tree.prove_inclusion(index + 1, size)
        leaf = tree.get_leaf(index + 1)
        verify_inclusion(leaf, roots[size], mine)
        assert [node for node in mine.path if node != leaf] == hashes, f"pymerkle has another proof of {index} in {size}"

        assert by_sigstore(leaves[index], index, size, hashes, roots[size]), f"sigstore does not find {index} in {size}"
        assert by_verifier(leaves[index], index, size, hashes, roots[size]), f"verify.py does not find {index} in {size}"
    mutate(proofs["inclusion"], leaves, roots)

    for each in proofs["consistency"]:
        earlier, later = each["earlier"], each["later"]
        assert verify.is_consistent(earlier, roots[earlier], later, roots[later], decoded(each["hashes"])), f"verify.py: {earlier} in {later}"
    mutate_consistency(proofs["consistency"], roots)

    # Its own proof over our roots: it takes right-hand subtrees apart, where RFC 6962 gives one hash for each.
    for earlier in roots:
        for later in roots:
            if earlier < later:
                verify_consistency(roots[earlier], roots[later], tree.prove_consistency(earlier, later))
    print(f"{len(leaves)} leaves, {len(roots)} roots, {len(proofs['inclusion'])} proofs")


if __name__ == "__main__":
    main()
