"""Mutants of the decision functions, all in one build, told apart by an environment variable.

  mutants.py write ROOT [LEFT-OUT]   rewrites the sources below ROOT (a copy!) and prints one mutant a line, as JSON;
                                     LEFT-OUT holds ids that do not compile
  mutants.py refused ROOT            reads build.log there, and adds what did not compile to left-out.txt
  mutants.py run SIMULATOR LIST [--sample N] [--seeds N] [--workers N]
                                     runs the simulator on each and ends with the closing line of ops/faults mutants

Each mutant inverts a condition, shifts a comparison, swaps `and` and `or`, or drops a step. `mutant(7)` is true in the
process whose MUTANT is 7, so that one build holds them all.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FILES = [
    "Sources/Marketplace/Decisions/*.swift",
    "Sources/Marketplace/State/*.swift",
    "Sources/Marketplace/Naming/AssignedNames.swift",
    "Sources/Transfer/Observe/*.swift",
    "Sources/Transfer/Sync/*.swift",
    "Sources/Transfer/Follow/*.swift",
    "Sources/Transfer/Export/ExportJob.swift",
    "Sources/Transfer/Export/ExportSource.swift",
    "Sources/Transfer/Import/ImportJob.swift",
    "Sources/Transfer/Import/ImportedVersion.swift",
    "Sources/Transfer/Import/ImportedRun.swift",
    "Sources/Transfer/Import/NameRegister.swift",
    "Sources/Transfer/Work/ModelLocks.swift",
]
SWITCH = """import Foundation

private let active = Int(ProcessInfo.processInfo.environment["MUTANT"] ?? "") ?? 0

public func mutant(_ number: Int) -> Bool { active == number }
"""
SHIFTS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > ", " && ": " || ", " || ": " && ", " == ": " != ", " != ": " == "}
BINDS = re.compile(r"^\s*(let|var|case|await let)\b|\b(let|var|case)\b")
CONDITION = [
    re.compile(r"^(\s*guard )(.+)( else \{.*)$"),
    re.compile(r"^(\s*(?:\} else )?if )(.+)( \{)$"),
    re.compile(r"^(\s*(?:for .+ |))(?<=\bwhere )(.+)( \{)$"),
]
CLOSURE = re.compile(r"((?:filter|contains|allSatisfy|first|last|count|removeAll)(?:\(where:)? ?\{ )([^{}]*\$0[^{}]*)( \})")
RETURN = re.compile(r"^(\s*return )([^{}?]* (?:<|<=|>|>=|==|!=|&&|\|\|) [^{}?]*)()$")
STEP = re.compile(r"^\s*(?:try await |try |await |_ = )*[a-z][\w.?\[\]]*(?:\(.*\)| (?:=|\+=) .+|\?\.\w+ = .+)$")
NOT_STEPS = re.compile(r"^\s*(return|throw|let|var|case|if|guard|for|switch|while|break|continue|self\.|default|import|private|public|func|super|defer)\b")


class Writer:
    def __init__(self, left_out: set[int]) -> None:
        self.number = 0
        self.left_out = left_out
        self.found: list[dict] = []
        self.place = ("", 0, "")
        # What gives a value first cannot be left out: in an initialiser, or after a declaration without one.
        self.is_init = False
        self.pending: set[str] = set()

    def new(self, kind: str, detail: str) -> int | None:
        self.number += 1
        if self.number in self.left_out:
            return None
        path, line, text = self.place
        self.found.append({"id": self.number, "path": path, "line": line, "kind": kind, "detail": detail, "text": text.strip()})
        return self.number

    def clause(self, text: str) -> str:
        """One clause of a condition: shifted, and inverted."""
        if BINDS.search(text) or not text.strip() or text.count("(") != text.count(")") or "{" in text:
            return text
        result = text
        for operator, other in SHIFTS.items():
            parts = text.split(operator)
            if operator in (" == ", " != ") and len(parts) == 2 and " && " not in text and " || " not in text:
                continue
            for index in range(1, len(parts)):
                changed = operator.join(parts[:index]) + other + operator.join(parts[index:])
                number = self.new("shift", f"{operator.strip()} → {other.strip()}")
                if number:
                    result = f"(mutant({number}) ? ({changed}) : {result})" if result != text else f"(mutant({number}) ? ({changed}) : ({text}))"
        number = self.new("invert", text.strip())
        return f"(({result}) != mutant({number}))" if number else result

    def condition(self, text: str) -> str:
        return ", ".join(self.clause(each) for each in split_clauses(text))

    def line(self, line: str, before: str, after: str) -> str:
        for pattern in CONDITION:
            found = pattern.match(line)
            if found:
                return found[1] + self.condition(found[2]) + found[3]
        found = RETURN.match(line)
        if found:
            return found[1] + self.clause(found[2])
        if re.search(r"\binit[?(]", line):
            self.is_init = True
        elif re.search(r"\b(func|struct|extension) ", line):
            self.is_init = False
        declared = re.match(r"\s{4,}(?:var|let) (\w+): [^={]+$", line)
        if declared:
            self.pending.add(declared[1])
        given = re.match(r"\s*(\w+) = ", line)
        is_needed = given and (self.is_init or given[1] in self.pending)
        if STEP.match(line) and not is_needed and not NOT_STEPS.match(line) and line.count("(") == line.count(")") and line.count("{") == line.count("}"):
            if before.rstrip().endswith(("{", "in", ",", "(", "??", "=", "&&", "||", ":")) and after.strip().startswith("}"):
                return line
            if before.rstrip().endswith((",", "(", "??", "=", "&&", "||", "?", "[")) or after.strip().startswith((".", "??", "&&", "||", "+", "?", ":", ")", "{", "]")):
                return line
            number = self.new("drop", "")
            return re.match(r"\s*", line)[0] + f"if !mutant({number}) {{ {line.strip()} }}" if number else line
        return CLOSURE.sub(lambda m: m[1] + self.clause(m[2]) + m[3], line)


def split_clauses(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += character in "([{"
        depth -= character in ")]}"
        if character == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]


def write(root: Path, left_out: set[int]) -> None:
    writer = Writer(left_out)
    for pattern in FILES:
        for path in sorted(root.glob(pattern)):
            lines = path.read_text().split("\n")
            out = []
            for index, line in enumerate(lines):
                writer.place = (str(path.relative_to(root)), index + 1, line)
                is_code = not line.strip().startswith("//")
                before = lines[index - 1] if index else ""
                out.append(writer.line(line, before, lines[index + 1] if index + 1 < len(lines) else "") if is_code else line)
            text = "\n".join(out)
            if str(path).find("/Transfer/") >= 0 and "import Marketplace" not in text:
                text = "import Marketplace\n" + text
            path.write_text(text)
    (root / "Sources/Marketplace/Mutant.swift").write_text(SWITCH)
    for each in writer.found:
        print(json.dumps(each, ensure_ascii=False))


def refused(root: Path) -> int:
    """Adds the mutants on lines that did not compile to those left out; fails when there is none."""
    lines = set(re.findall(r"/(Sources/\S+?\.swift):(\d+):\d+: error", (root / "build.log").read_text()))
    mutants = [json.loads(line) for line in (root / "mutants.json").read_text().splitlines()]
    bad = [each["id"] for each in mutants if {(each["path"], str(each["line"])), (each["path"], str(each["line"] + 1))} & lines]
    with (root / "left-out.txt").open("a") as file:
        print(*bad, file=file)
    return 0 if bad else 1


def is_found(simulator: str, number: int, seeds: int) -> str:
    """How the simulator finds the mutant: a violation, a crash or no end; empty when it does not."""
    environment = {**os.environ, "MUTANT": str(number)}
    command = [simulator, "--seed", "1", "--seeds", str(seeds), "--first"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    except subprocess.TimeoutExpired:
        return "does not end"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ") and ": " in line]
    return lines[0] if lines else f"ends with {done.returncode}"


def run(simulator: str, listed: Path, sample: int, seeds: int, workers: int) -> int:
    mutants = [json.loads(line) for line in listed.read_text().splitlines()]
    random.Random(1).shuffle(mutants)
    chosen = mutants[:sample] if sample else mutants
    if is_found(simulator, 0, seeds):
        print("the simulator fails without any mutant", file=sys.stderr)
        return 1
    killed = 0
    with ThreadPoolExecutor(workers) as pool:
        for mutant, how in zip(chosen, pool.map(lambda each: is_found(simulator, each["id"], seeds), chosen)):
            killed += bool(how)
            what = f"{mutant['path']}:{mutant['line']} {mutant['kind']} {mutant['detail']}"
            print(f"{'found' if how else 'MISSED'} {mutant['id']} {what} | {mutant['text']} | {how[:100]}", flush=True)
    figure = {"name": "mutants", "tried": len(chosen), "survived": killed, "of": len(mutants), "goal": 0.95, "met": killed >= 0.95 * len(chosen)}
    print(json.dumps({"faults": "mutants", "figures": [figure]}))
    return 0


def option(name: str, otherwise: int) -> int:
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else otherwise


if __name__ == "__main__":
    if sys.argv[1] == "write":
        omitted = Path(sys.argv[3]) if len(sys.argv) > 3 else None
        write(Path(sys.argv[2]), {int(word) for word in omitted.read_text().split()} if omitted and omitted.exists() else set())
    elif sys.argv[1] == "refused":
        sys.exit(refused(Path(sys.argv[2])))
    else:
        sys.exit(run(sys.argv[2], Path(sys.argv[3]), option("--sample", 0), option("--seeds", 40), option("--workers", 2)))
