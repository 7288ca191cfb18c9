"""What schemathesis is not to try.

On the way a list of one is its value, and an empty list or object a name without one, which says nothing, as the description has it.
That something else was meant cannot be told from what arrives, so it is no request that a description forbids.
"""

from __future__ import annotations

from typing import Any

import schemathesis

LISTS = {"workspace", "flavor", "owner", "type"}


def is_list(name: str, path: str) -> bool:
    return name in LISTS or name == "state" and path == "/models"


@schemathesis.hook
def filter_query(context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    path = context.operation.path if context.operation else ""
    return not any(
        value == {} or isinstance(value, list) and len(value) < 2 and not is_list(name, path) for name, value in (query or {}).items()
    )
