"""Writes mutants of the decision functions into a copy of the sources, all in one build.

  write.py ROOT COPY      makes COPY the package at ROOT with its mutants, and prints one mutant a line, as JSON;
                          COPY/left-out.txt names mutants that do not compile
  write.py refused COPY   reads build.log there, and adds what did not compile to left-out.txt

A mutant inverts a condition, swaps `and` and `or`, shifts a comparison by one, or drops a step. `mutant(7)` is true in
the process whose MUTANT is 7, so that one build holds them all. What a mutant is called in lists that are kept rests on
its file and text, since numbers change with the code.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

# Everything that decides: from history and readings to events, and from there to what the jobs do and say they did.
FILES = [
    "Sources/Marketplace/Decisions/*.swift",
    "Sources/Marketplace/State/*.swift",
    "Sources/Marketplace/Naming/*.swift",
    "Sources/Transfer/Observe/*.swift",
    "Sources/Transfer/Sync/*.swift",
    "Sources/Transfer/Follow/*.swift",
    "Sources/Transfer/Export/*.swift",
    "Sources/Transfer/Import/*.swift",
    "Sources/Transfer/Collect/*.swift",
    "Sources/Transfer/Work/*.swift",
]
# Ports to the database, which the simulator has its own of, and what runs tasks.
LEFT_OUT = ["Sources/Transfer/Work/JobMemory.swift", "Sources/Transfer/Work/LockSessions.swift", "Sources/Transfer/Work/BoundedTasks.swift"]
SWITCH = """import Foundation

private let active = Int(ProcessInfo.processInfo.environment["MUTANT"] ?? "") ?? 0

public func mutant(_ number: Int) -> Bool { active == number }

/// `a && b`, or `a || b` in the mutant of this number.
public func both(_ a: Bool, _ b: @autoclosure () throws -> Bool, _ number: Int) rethrows -> Bool {
  mutant(number) ? try a || b() : try a && b()
}

/// `a || b`, or `a && b` in the mutant of this number.
public func either(_ a: Bool, _ b: @autoclosure () throws -> Bool, _ number: Int) rethrows -> Bool {
  mutant(number) ? try a && b() : try a || b()
}
"""
COPIED = ["Package.swift", "Package.resolved", "Sources", "Tests", "migrations", "ops/audit", "ops/lakehouse"]
SHIFTS = {" < ": " <= ", " <= ": " < ", " > ": " >= ", " >= ": " > "}
# A statement is joined from so many lines at most.
LINES_JOINED_MAX = 12
BOOLEAN_CLOSURE = re.compile(
    r"((?:filter|contains|allSatisfy|first|last|count|removeAll|(?<=\.)map)(?:\(where:)? ?\{ (?:\w+ in |\[\w+\] \w+ in )?)([^{}]+)( \})"
)
CONDITION = [
    re.compile(r"^(\s*guard )(.+)( else \{.*)$"),
    re.compile(r"^(\s*(?:\} else )?(?:if|while) )(.+)( \{)$"),
    # With its body on the same line.
    re.compile(r"^(\s*(?:\} else )?if )((?:(?! \{ ).|\{ [^{}]*\$0[^{}]* \})+)( \{ .+ \})$"),
    re.compile(r"^(\s*for .+ where )(.+)( \{)$"),
    re.compile(r"^(\s*where )(.+)( \{)$"),
]
VALUE = [
    re.compile(r"^(\s*(?:let|var) (?:is|has|may|can|was|does|knows)[A-Z]\w* = )((?!try|await|if ).+)()$"),
    re.compile(r"^(\s*(?:(?:public|private|fileprivate|static) )*(?:func|var) .*\bBool \{ )(.+)( \})$"),
]
RETURN = re.compile(r"^(\s*return )(?!true$|false$)(.+)$")
TERNARY = re.compile(r"^(\s*|.*(?:(?<![=!<>])= |return |\())((?:!?[\w.$?]+(?:\([^()?\"]*\))?)(?: (?:==|!=|&&|\|\||<|>|<=|>=) !?[\w.$?]+(?:\([^()?\"]*\))?)*)( \? .+ : .+)$")
COMPARES = re.compile(r" (?:<|<=|>|>=|==|!=|&&|\|\|) ")
BINDS = re.compile(r"^(?:await )?(?:let|var|case)\b")
STEP = re.compile(r"^\s*(?:try await |try |await |_ = )*[a-z][\w.?\[\]]*(?:\(.*\)| (?:=|\+=|-=) .+|\?\.\w+ = .+)$")
NOT_STEPS = re.compile(
    r"^\s*(self\.init|return|throw|let|var|case|if|guard|for|switch|while|break|continue|default|import|private|public|func|super|defer|where)\b"
)
OPENS = re.compile(
    r"^\s*(?!public|private|fileprivate|internal|static|mutating|func|init|extension|struct|enum|actor|case|do|default|switch|protocol|import)"
    r"(?:guard|if|while|\} else if|return|let|var|[a-z_]).*$"
)
CONTINUES = re.compile(r"^\s*(?:&&|\|\||\.|\?\?|\?|:|\+|==|!=|-|<|>)(?:\s|\w|\$|\\|$)")
FUNCTION = re.compile(r"\b(?:func (\w+|`\w+`)|(init)\b[?(<]|var (\w+): [^={]+ \{)")


class Writer:
    """Rewrites one line after another, and remembers what it wrote."""

    def __init__(self, left_out: set[str]) -> None:
        self.number = 0
        self.left_out = left_out
        self.found: list[dict] = []
        self.place = ("", 0, "", "")
        self.seen: dict[str, int] = {}
        # What gives a value first cannot be left out: in an initialiser, or after a declaration without one.
        self.is_init = False
        self.pending: set[str] = set()
        self.is_boolean = False

    def new(self, kind: str, detail: str) -> int | None:
        path, line, function, text = self.place
        name = f"{path} | {kind} {detail} | {text}"
        self.seen[name] = self.seen.get(name, 0) + 1
        if self.seen[name] > 1:
            name += f" | {self.seen[name]}"
        if name in self.left_out:
            return None
        self.number += 1
        self.found.append({"id": self.number, "path": path, "line": line, "function": function, "kind": kind, "detail": detail, "name": name})
        return self.number

    def boolean(self, text: str) -> str:
        """An expression of type Bool: its parts inverted and shifted, and its operators swapped."""
        for operator, function in ((" || ", "either"), (" && ", "both")):
            first, *rest = split(text, operator)
            if not rest:
                continue
            result = self.boolean(first)
            for part in rest:
                number = self.new("swap", f"{operator.strip()} before {part.strip()}")
                part = self.boolean(part)
                result = f"{function}({result}, {part}, {number})" if number else f"({result}{operator}{part})"
            return result
        return self.atom(text)

    def atom(self, text: str) -> str:
        if not text.strip() or not balanced(text) or text.strip() in ("true", "false"):
            return text
        whole = re.fullmatch(r"\((.+)\)", text)
        if whole and balanced(whole[1]):
            return f"({self.boolean(whole[1])})"
        inner = self.closures(text)
        shifted = inner
        for operator, other in SHIFTS.items():
            parts = split(text, operator)
            if len(parts) == 2:
                number = self.new("shift", f"{operator.strip()} → {other.strip()}")
                if number:
                    shifted = f"(mutant({number}) ? ({other.join(parts)}) : ({inner}))"
        number = self.new("invert", text.strip())
        return f"(({shifted}) != mutant({number}))" if number else shifted

    def closures(self, text: str) -> str:
        """What picks elements by a condition, anywhere in a line."""

        def change(found: re.Match) -> str:
            body = found[2]
            # Statements, bindings, and what orders or maps by some other rule are left as they are.
            if ";" in body or re.search(r"\b(?:let|return|if)\b", body) or "(where: " in body:
                return found[0]
            if found[1].startswith("map") and not COMPARES.search(body):
                return found[0]
            return found[1] + self.boolean(body) + found[3]

        return BOOLEAN_CLOSURE.sub(change, text)

    def clause(self, text: str) -> str:
        return self.closures(text) if BINDS.match(text.strip()) else self.boolean(text)

    def line(self, line: str, before: str, after: str) -> str:
        for pattern in CONDITION:
            found = pattern.match(line)
            if found:
                return found[1] + ", ".join(self.clause(each) for each in split(found[2], ", ")) + found[3]
        for pattern in VALUE:
            found = pattern.match(line)
            if found and balanced(found[2]) and " ? " not in found[2] and "{ get" not in line and not found[2].startswith("switch"):
                return found[1] + self.boolean(found[2]) + found[3]
        found = RETURN.match(line)
        if found and self.is_boolean and balanced(found[2]) and " ? " not in found[2]:
            return found[1] + self.boolean(found[2])
        if re.search(r"\bBool \{$", before) and after.strip() == "}" and balanced(line) and not NOT_STEPS.match(line):
            return re.match(r"\s*", line)[0] + self.boolean(line.strip())
        found = TERNARY.match(line)
        if found and balanced(found[3].rstrip(",)")) and '"' not in found[2]:
            return found[1] + "(" + self.boolean(found[2]) + ")" + found[3]
        return self.step(line, before, after) or self.closures(line)

    def step(self, line: str, before: str, after: str) -> str | None:
        """The line as a step that may be left out; nothing where it is none."""
        if re.search(r"\binit[?(]", line):
            self.is_init = True
        elif re.search(r"\b(func|struct|extension) ", line):
            self.is_init = False
        declared = re.match(r"\s{4,}(?:var|let) (\w+): [^={]+$", line)
        if declared:
            self.pending.add(declared[1])
        given = re.match(r"\s*(?:self\.)?(\w+) = ", line)
        is_needed = given and (self.is_init or given[1] in self.pending)
        if not STEP.match(line) or is_needed or NOT_STEPS.match(line) or not balanced(line):
            return None
        if before.rstrip().endswith((",", "(", "??", "=", "&&", "||", "?", "[", ":")) and not re.match(r"\s*(case\b.*|default):$", before):
            return None
        if after.strip().startswith((".", "??", "&&", "||", "+", "?", ":", ")", "{", "]")):
            return None
        # The value of a closure or of a function of one expression.
        if after.strip().startswith("}") and before.rstrip().endswith(("{", " in")) and not re.search(r"(=|else|^\s*\)|throws|do|func .*\)|if .*|guard .*|for .*|while .*) \{$", before.rstrip()):
            return None
        number = self.new("drop", "")
        return re.match(r"\s*", line)[0] + f"if !mutant({number}) {{ {line.strip()} }}" if number else None


def balanced(text: str) -> bool:
    depth = 0
    for character in re.sub(r'"(?:[^"\\]|\\.)*"', '""', text):
        depth += (character in "([{") - (character in ")]}")
        if depth < 0:
            return False
    return depth == 0


def split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand in no bracket and no text."""
    parts, depth, start, index, is_text = [], 0, 0, 0, False
    while index < len(text):
        character = text[index]
        if character == '"' and text[index - 1] != "\\":
            is_text = not is_text
        depth += (character in "([{") - (character in ")]}") if not is_text else 0
        if depth == 0 and not is_text and text.startswith(separator, index):
            parts.append(text[start:index])
            index += len(separator)
            start = index
            continue
        index += 1
    return [*parts, text[start:]]


def joined(lines: list[str]) -> list[str]:
    """Each statement on its first line, where its lines can stand on one; the others stay behind, empty."""
    out = list(lines)
    for index, line in enumerate(lines):
        if not out[index] or not OPENS.match(line) or line.strip().startswith("//") or '"""' in line:
            continue
        end = statement_end(lines, index)
        if end is None or end == index:
            continue
        text = line.rstrip()
        for more in lines[index + 1 : end + 1]:
            glue = "" if text.endswith(("(", "[")) or re.match(r"\s*(?:[)\],]|\.(?=[a-z]\w*[\s({])|\?\.)", more) and not text.endswith(("{", ",", "=", "?", ":", "in")) else " "
            text += glue + more.strip()
        out[index] = text
        out[index + 1 : end + 1] = [""] * (end - index)
    return out


def statement_end(lines: list[str], start: int) -> int | None:
    """The last line of the statement that begins here, or of a condition's head; nothing where it cannot stand on one."""
    text = lines[start].rstrip()
    # Lines of a closure's body: more than one expression cannot be joined.
    body: int | None = None
    for index in range(start, min(start + LINES_JOINED_MAX, len(lines))):
        line = lines[index].rstrip()
        if index > start:
            if "//" in line or not line.strip() or '"""' in line or re.search(r"= (?:if|switch)\b", line):
                return None
            if body is not None:
                if re.match(r"\s*\}", line):
                    body = None
                elif not CONTINUES.match(line) and not re.match(r"\s*[)\]]", line) and lines[index - 1].rstrip().endswith(("{", " in", "}", ")")):
                    body += 1
                    if body > 1 or re.match(r"\s*(?:let|var|guard|return|if|for|try|switch|do)\b", line):
                        return None
            text += " " + line.strip()
        ahead = lines[index + 1].strip() if index + 1 < len(lines) else ""
        if re.search(r"= (?:if|switch)\b", line) or line.endswith("=") and re.match(r"(?:if|switch)\b", ahead):
            return None
        follows = index + 1 < len(lines) and CONTINUES.match(lines[index + 1])
        if is_whole(text) and not follows:
            return index
        if re.search(r"\{(?: (?:\[[\w, ]+\] )?[\w, ]+ in)?$", line) and not re.match(r"\s*(?:guard|if|while|for|\} else if)\b", text):
            body = 0
    return None


def is_whole(text: str) -> bool:
    """Whether nothing more belongs to the statement; an open brace at its end begins its body."""
    stripped = text.rstrip()
    if re.match(r"\s*guard\b", stripped):
        return bool(re.search(r" else \{(?:.* \})?$", stripped)) and balanced(stripped.split(" else {")[0])
    if re.match(r"\s*(?:\} else )?(?:if|while|for)\b", stripped):
        body = re.sub(r"^\s*\} ", "", stripped)
        if re.match(r"\s*(?:if|for|while)\b", body) and stripped.endswith(" }") and balanced(body):
            return True
        return stripped.endswith("{") and balanced(body.removesuffix("{"))
    if stripped.endswith((",", "(", "=", "&&", "||", "??", "return")):
        return False
    return balanced(stripped)


def write(root: Path, copy: Path) -> None:
    left_out = copy / "left-out.txt"
    writer = Writer(set(left_out.read_text().splitlines()) if left_out.exists() else set())
    texts = {Path("Sources/Marketplace/Mutant.swift"): SWITCH.encode()}
    for pattern in FILES:
        for path in sorted(root.glob(pattern)):
            name = path.relative_to(root)
            if str(name) in LEFT_OUT:
                continue
            texts[name] = mutated(writer, name, path.read_text()).encode()
    for each in COPIED:
        for path in [root / each, *(root / each).rglob("*")]:
            if path.is_file():
                texts.setdefault(path.relative_to(root), path.read_bytes())
    # What has not changed keeps its time, so that it is not compiled again.
    for name, text in texts.items():
        path = copy / name
        if not path.exists() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
    for each in COPIED:
        for path in (copy / each).rglob("*"):
            if path.is_file() and path.relative_to(copy) not in texts:
                path.unlink()
    for each in writer.found:
        print(json.dumps(each, ensure_ascii=False))


def mutated(writer: Writer, name: Path, text: str) -> str:
    lines = joined(text.split("\n"))
    out = []
    function = ""
    for index, line in enumerate(lines):
        named = FUNCTION.search(line)
        if named:
            function = next(each for each in named.groups() if each)
            writer.is_boolean = bool(re.search(r"(?:->|:) Bool(?: \{.*)?$", line))
        writer.place = (str(name), index + 1, function, line.strip())
        before = next((each for each in reversed(lines[:index]) if each.strip() and not each.strip().startswith("//")), "")
        after = next((each for each in lines[index + 1 :] if each.strip()), "")
        is_code = line.strip() and not line.strip().startswith(("//", "@"))
        out.append(writer.line(line, before, after) if is_code else line)
    result = "\n".join(out)
    if "/Transfer/" in str(name) and not re.search(r"^(?:public )?import Marketplace$", result, re.MULTILINE):
        result = "import Marketplace\n" + result
    return result


def refused(root: Path) -> int:
    """Adds the mutants on lines that did not compile to those left out; fails when there is none."""
    lines = set(re.findall(r"/(Sources/\S+?\.swift):(\d+):\d+: error", (root / "build.log").read_text()))
    mutants = [json.loads(line) for line in (root / "mutants.json").read_text().splitlines()]
    bad = [each["name"] for each in mutants if {(each["path"], str(each["line"])), (each["path"], str(each["line"] + 1))} & lines]
    with (root / "left-out.txt").open("a") as file:
        for name in bad:
            print(name, file=file)
    return 0 if bad else 1


if __name__ == "__main__":
    if sys.argv[1] == "refused":
        sys.exit(refused(Path(sys.argv[2])))
    write(Path(sys.argv[1]), Path(sys.argv[2]))
