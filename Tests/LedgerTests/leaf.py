"""Checks the test vectors of leaves with nothing but the standard library: python3 leaf.py Vectors/leaves.json"""

import hashlib
import json
import sys

FIELDS = [
    "position", "workspace", "sequence", "stream", "version", "id", "type", "type_version", "recorded_at",
    "occurred_at", "principal", "run", "cause_workspace", "cause_sequence", "nth", "data_hash",
]


def leaf(event):
    """The bytes of the leaf: format 1, then every field in order; absent ones are null."""
    values = [1] + [event.get(field) for field in FIELDS]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def leaf_hash(entry):
    """RFC 6962, section 2.1."""
    return hashlib.sha256(b"\x00" + entry).hexdigest()


with open(sys.argv[1], encoding="utf-8") as file:
    vectors = json.load(file)
for event in vectors:
    assert leaf(event) == event["leaf"].encode("utf-8"), event["position"]
    assert leaf_hash(leaf(event)) == event["leaf_hash"], event["position"]
    if "data" in event:
        salted = bytes.fromhex(event["salt"]) + event["data"].encode("utf-8")
        assert hashlib.sha256(salted).hexdigest() == event["data_hash"], event["position"]
print(f"{len(vectors)} vectors hold")
