"""Runs the simulator on mutants, and counts how many it finds.

  run.py SIMULATOR LIST EQUIVALENT [--sample N] [--seconds N] [--seconds-more N] [--seeds N] [--workers N] [--only TEXT]

Lives the seeds from 1 on, small worlds first, until one fails or the seconds of processor time are spent. A mutant that
is not found then is given --seconds-more of worlds of every size, about as long as a million steps take. EQUIVALENT
names mutants that behave as the original does, each with the reason; they are reported and not counted. The sample is
every so manieth mutant in the order of the files, so that it is drawn evenly over all of them. Ends with the closing
line of ops/faults mutants.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

GOAL = 0.95
# A life that goes on for so many seconds of processor time after the others were given up does not end.
SECONDS_GRACE = 30
SEED = 1


def by_small_worlds(simulator: str, number: int, seeds: int, seconds: int) -> str:
    return is_found([simulator, "--seed", "1", "--seeds", str(seeds), "--small-first"], number, seconds)


def by_large_worlds(simulator: str, number: int, seeds: int, seconds: int) -> str:
    return is_found([simulator, "--seed", str(seeds + 1), "--seeds", "1000000"], number, seconds)


def is_found(command: list[str], number: int, seconds: int) -> str:
    """How the simulator finds the mutant: a violation, a crash or no end; empty when it does not."""
    environment = {**os.environ, "MUTANT": str(number)}
    command = [*command, "--cpu-seconds", str(seconds), "--first"]

    def bounded() -> None:
        limit = seconds + SECONDS_GRACE
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, preexec_fn=bounded)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ") and ": " in line]
    return lines[0] if lines else f"ends with {done.returncode}"


def equivalent(path: Path) -> dict[str, str]:
    """Names of mutants and why each behaves as the original: a reason on a line with '# ', then the names it holds for."""
    reasons, reason = {}, ""
    for line in path.read_text().splitlines():
        if line.startswith("# "):
            reason = line[2:]
        elif line.strip():
            assert reason, f"{path}: {line} has no reason"
            reasons[line] = reason
    return reasons


def sampled(mutants: list[dict], count: int) -> list[dict]:
    """Every so manieth, beginning where the seed says."""
    if not count or count >= len(mutants):
        return mutants
    step = len(mutants) / count
    begin = (SEED * 0.618) % 1
    return [mutants[int((index + begin) * step)] for index in range(count)]


def run(simulator: str, listed: Path, reasons: dict[str, str]) -> int:
    everything = [json.loads(line) for line in listed.read_text().splitlines()]
    for name in sorted(reasons.keys() - {each["name"] for each in everything}):
        print(f"no such mutant any more: {name}", file=sys.stderr)
    mutants = [each for each in everything if each["name"] not in reasons]
    only = text_option("--only")
    chosen = [each for each in mutants if only in each["name"]] if only else sampled(mutants, option("--sample", 0))
    seeds, seconds, more = option("--seeds", 400), option("--seconds", 20), option("--seconds-more", 180)
    without = by_small_worlds(simulator, 0, seeds, seconds) or by_large_worlds(simulator, 0, seeds, more)
    if without:
        print(f"the simulator fails without any mutant: {without}", file=sys.stderr)
        return 1
    for each in everything:
        if each["name"] in reasons:
            print(f"equivalent {each['name']}: {reasons[each['name']]}")
    found = 0
    with ThreadPoolExecutor(option("--workers", 1)) as pool:
        def hunt(each: dict) -> str:
            return by_small_worlds(simulator, each["id"], seeds, seconds) or by_large_worlds(simulator, each["id"], seeds, more)

        for mutant, how in zip(chosen, pool.map(hunt, chosen)):
            found += bool(how)
            print(f"{'found' if how else 'MISSED'} {mutant['id']} {mutant['line']} {mutant['function']} | {mutant['name']} | {how[:110]}", flush=True)
    figure = {
        "name": "mutants",
        "tried": len(chosen),
        "survived": found,
        "of": len(everything),
        "equivalent": len(everything) - len(mutants),
        "goal": GOAL,
        "met": found >= GOAL * len(chosen),
    }
    print(json.dumps({"faults": "mutants", "figures": [figure]}))
    return 0 if figure["met"] or only else 1


def text_option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else ""


def option(name: str, otherwise: int) -> int:
    return int(text_option(name) or otherwise)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), equivalent(Path(sys.argv[3]))))
