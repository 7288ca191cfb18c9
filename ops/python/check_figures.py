"""Checks the closing line of a measurement on stdin: check_figures.py bench|faults NAME."""

import json
import sys

FIELDS = {"bench": {"name", "ours", "baseline", "unit", "ratio", "goal", "met"}, "faults": {"name", "tried", "survived"}}


def main(kind: str, name: str) -> int:
    try:
        line = json.loads(sys.stdin.read())
        figures = line["figures"]
        assert line[kind] == name, f'"{kind}" is not "{name}"'
        assert figures, "there are no figures"
        for figure in figures:
            missing = FIELDS[kind] - figure.keys()
            assert not missing, f"{figure} lacks {sorted(missing)}"
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        print(f"{kind} {name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
