"""Reads the sources for what this project does not allow: tidy.py ROOT. One line a finding; ends with 1 if there is any.

Reasons for an exception stand in ops/tidy-exceptions.txt: `<path> <rule> <reason>`, one a line.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LINES_MAX = 450
EXCEPTIONS = "ops/tidy-exceptions.txt"
TEXT = {".swift", ".sql", ".py", ".sh", ".md", ".yaml", ".yml", ".html", ".css", ".js", ".service", ".timer", ""}
# Where people's own files lie; put together here so that this file does not find itself.
HOMES = "|".join("/" + name + "/" for name in ("Users", "work", "root"))
LATER = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"])


@dataclass(frozen=True)
class Rule:
    name: str
    pattern: re.Pattern
    paths: re.Pattern
    reason: str
    in_comments: bool = False


def rule(name: str, pattern: str, paths: str, reason: str, in_comments: bool = False) -> Rule:
    return Rule(name, re.compile(pattern), re.compile(paths), reason, in_comments)


SWIFT = r"^(Sources|Tests)/.*\.swift$"
LIBRARIES = r"^Sources/(?!marketplace/).*\.swift$"
RULES = [
    rule("force-try", r"\btry!", SWIFT, "say what happens when it fails"),
    rule("force-cast", r"\bas!", SWIFT, "cast with as? and say what happens otherwise"),
    rule("unfinished", r'fatalError\(\s*"un', SWIFT, "nothing unfinished is merged"),
    rule("later", rf"\b({LATER})\b", r".", "do it now, or open an issue", in_comments=True),
    rule("print", r"(?<![\w.])(debugPrint|print|NSLog)\(", LIBRARIES, "libraries return values; the command line prints"),
    rule(
        "sleep",
        r"\b(Task\.sleep|Thread\.sleep|usleep|nanosleep|sleep)\(",
        r"^Tests/.*\.(swift|py)$",
        "wait for a condition with a deadline",
    ),
    rule("unchecked", r"nonisolated\(unsafe\)", SWIFT, "shared state needs a lock or an actor"),
    rule(
        "machine-path",
        rf"(?<![\w.$}}])({HOMES}|/home/\w)",
        r"^(?!\.gitignore)",
        "a path of one machine",
        in_comments=True,
    ),
]


@dataclass(frozen=True)
class Finding:
    path: str
    line: int
    rule: str
    text: str


def code_only(line: str, suffix: str) -> str:
    """The line without its comment; a crude cut is enough for the constructs above."""
    marker = {".swift": "//", ".sql": "--", ".py": "# ", ".sh": "# "}.get(suffix)
    return line.split(marker)[0] if marker else line


def findings(path: str, text: str) -> list[Finding]:
    suffix = Path(path).suffix
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for each in RULES:
            if not each.paths.search(path):
                continue
            if each.pattern.search(line if each.in_comments else code_only(line, suffix)):
                found.append(Finding(path, number, each.name, each.reason))
    if suffix == ".swift" and len(lines) > LINES_MAX:
        found.append(Finding(path, len(lines), "long file", f"a file is one idea, at most {LINES_MAX} lines"))
    return found


def exceptions(root: Path) -> set[tuple[str, str]]:
    allowed = set()
    file = root / EXCEPTIONS
    for line in file.read_text().splitlines() if file.exists() else []:
        if line.strip() and not line.startswith("#"):
            path, name, reason = line.split(maxsplit=2)
            assert reason, f"{EXCEPTIONS}: an exception needs a reason: {line}"
            allowed.add((path, name))
    return allowed


def listed(root: Path) -> list[str]:
    """Tracked files and new ones that are not ignored; without git, every file outside hidden folders."""
    git = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(git, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(root)) for p in root.rglob("*") if "/." not in f"/{p.relative_to(root)}"]
    return [name for name in names if name and Path(name).suffix in TEXT and (root / name).is_file()]


def main(root: Path) -> int:
    allowed = exceptions(root)
    found = []
    for path in listed(root):
        try:
            text = (root / path).read_text()
        except UnicodeDecodeError:
            continue
        found += [each for each in findings(path, text) if (path, each.rule) not in allowed]
    for each in found:
        print(f"{each.path}:{each.line}: {each.rule}: {each.text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
