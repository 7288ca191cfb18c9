"""What an event says, by the types of its fields: as PostgreSQL's json_to_record reads them, text for text."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from json.decoder import JSONDecoder, scanstring
from typing import Any

# The years 1 to 9999, in milliseconds since 1970.
TIME_MIN, TIME_MAX = -62_135_596_800_000, 253_402_300_799_999


def time_of(milliseconds: int | None) -> int | None:
    """Microseconds since 1970, as all times are kept here."""
    return None if milliseconds is None else min(max(milliseconds, TIME_MIN), TIME_MAX) * 1000


class NotFoldable(Exception):
    """An event whose data is not of the types that it must be of."""


class Number(str):
    """A number of JSON as it stands there."""


def members(text: str) -> dict[str, str]:
    """What an object of JSON holds, each value as the text it is: a projection keeps the bytes of tags and signatures."""
    decode, result, at = JSONDecoder().raw_decode, {}, skip(text, skip(text, 0) + 1)
    while text[at] != "}":
        key, at = scanstring(text, at + 1, True)
        begin = skip(text, skip(text, at) + 1)
        _, at = decode(text, begin)
        result[key] = text[begin:at]
        at = skip(text, at)
        if text[at] == ",":
            at = skip(text, at + 1)
    return result


def skip(text: str, at: int) -> int:
    while text[at] in " \t\n\r":
        at += 1
    return at


# A value of JSON as a column of PostgreSQL takes it, which is what json_to_record does.

def text_of(found: Any) -> str:
    if isinstance(found, str):
        return str(found)
    return {True: "true", False: "false"}[found] if isinstance(found, bool) else json.dumps(found, separators=(",", ":"), ensure_ascii=False)


def integer_of(found: Any) -> int:
    if not isinstance(found, str) or not re.fullmatch(r"\s*[-+]?[0-9]+\s*", found):
        raise ValueError("is no integer")
    return int(found)


def boolean_of(found: Any) -> bool:
    word = text_of(found).strip().lower()
    for words_for, meant in ((("true", "yes", "on", "1"), True), (("false", "no", "off", "0"), False)):
        if any(known.startswith(word) for known in words_for) and word not in ("", "o"):
            return meant
    raise ValueError("is neither true nor false")


def uuid_of(found: Any) -> str:
    if not isinstance(found, str) or not re.fullmatch(r"\{?([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}\}?", found):
        raise ValueError("is no UUID")
    return str(uuid.UUID(found.strip("{}")))


TYPES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("version", "created", "generation", "files", "bytes", "not_before", "not_after", "source_time",
                     "marketplace_version", "observed_to"), integer_of),
    **dict.fromkeys(("model", "export_id"), uuid_of), "retriable": boolean_of,
    **dict.fromkeys(("name", "alias", "target", "marketplace_name", "uri", "manifest_sha256", "model_sha256", "code", "message", "reason",
                     "cause", "marketplace_run_id", "description", "owner", "outcome"), text_of),
}
# A number in a promotion; a stage or a name anywhere else.
TO = {"MarketplacePromotionSet": integer_of}
# What has to be there.
NEEDED = {
    **dict.fromkeys(("ModelVersionRegistered", "StageTransitioned", "ModelVersionDeleted", "ExportFailed"), ("version", "created")),
    **dict.fromkeys(("AliasAssigned", "AliasRemoved"), ("alias",)),
    "ModelExported": ("version", "created", "generation", "export_id"), "ModelImported": ("version", "created", "generation", "target"),
    "ImportFailed": ("version", "created", "target"), "MarketplacePromotionSet": ("target",),
}


def fields_of(event: Any) -> dict[str, Any]:
    """What an event says, by the types of its fields; what it leaves out is not there, nor what it says is null."""
    result, key = {}, ""
    try:
        for key, found in json.loads(event.data, parse_int=Number, parse_float=Number).items():
            if found is not None and (take := TO.get(event.type, text_of) if key == "to" else TYPES.get(key)) is not None:
                result[key] = take(found)
        for key in NEEDED.get(event.type, ()):
            if key not in result:
                raise ValueError("is missing")
    except (ValueError, TypeError, AttributeError) as error:
        raise NotFoldable(f"Event {event.workspace}/{event.sequence}, {event.type}, cannot be folded: {key or 'its data'} {error}. PostgreSQL's "
                          f"projections stopped before it, too; --without {event.workspace} leaves the workspace out.") from None
    return result


def json_of(raw: str | None) -> str | None:
    """A value of JSON in a column of that type: the bytes of an object, a text with no more escapes than it needs."""
    if raw is None or raw == "null":
        return None
    return json.dumps(json.loads(raw), ensure_ascii=False) if raw.startswith('"') else raw


def text_in(raw: dict[str, str], key: str) -> str | None:
    """A text among the members of an object; of anything else the text it is."""
    found = raw.get(key, "null")
    return None if found == "null" else json.loads(found) if found.startswith('"') else found
