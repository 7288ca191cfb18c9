"""ops/bench queries: the questions of ops/queries, asked of a large ledger by an analyst.

usage: queries.py CLUSTER_DIRECTORY full|short

The log of sixty-five workspaces grows to a million events, a hundred thousand model versions among them. Each question is asked
three times by a role with marketplace_analyst; the median counts, beside the time in which its plan's largest table is read once
(`select count(*)`). Of its plan it is asked whether it scans a table from end to end, and throws most of it away: there, an index
should serve.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from pathlib import Path

from database import Cluster
from mix import PRINCIPAL, START_MS, workspaces
from wire import Call, Connection

QUERIES = Path(__file__).resolve().parents[3] / "ops" / "queries"
EVENTS = {"full": 1_000_000, "short": 30_000}
EVENTS_A_CALL = 250
ROUNDS = 3
# A scan that keeps less than a tenth of so many rows wants an index; a smaller table is a page or two, which nothing beats.
KEPT_MIN = 0.1
ROWS_MIN = 1_000
DATABASE = "asked"


def asked(path: Path) -> str:
    """A question with the values of its own example put in, as psql does."""
    text = path.read_text()
    for name, value in re.findall(r"-v (\w+)='?([^'\s]+)'?", text):
        text = text.replace(f":'{name}'", f"'{value}'")
    return text.strip().rstrip(";")


def scans(node: dict) -> list[dict]:
    own = [node] if node["Node Type"] in ("Seq Scan", "Parallel Seq Scan") else []
    return own + [scan for child in node.get("Plans", []) for scan in scans(child)]


def wasteful(node: dict) -> list[str]:
    found = []
    for scan in scans(node):
        kept = scan["Actual Rows"]
        read = kept + scan.get("Rows Removed by Filter", 0)
        if read >= ROWS_MIN and kept < KEPT_MIN * read:
            found.append(f"{scan['Relation Name']}: {kept:,.0f} of {read:,.0f} rows read, {scan['Actual Loops']} times")
    return found


def relations(node: dict) -> set[str]:
    return {f"{node['Schema']}.{node['Relation Name']}" for _ in [0] if "Relation Name" in node} | {
        name for child in node.get("Plans", []) for name in relations(child)}


def main(directory: str, size: str) -> None:
    cluster = Cluster(directory)
    cluster.migrated(DATABASE)
    owner = Connection(cluster.conninfo(DATABASE))
    writer = Connection(cluster.conninfo(DATABASE, PRINCIPAL))
    spread, count = workspaces(), 0
    for workspace in spread:
        owner.run(f"select ledger.open_workspace('{workspace.name}')")
        writer.append(Call([workspace.connect()], START_MS))
    start = time.perf_counter()
    while count < EVENTS[size]:
        for workspace in spread:
            writer.append(Call(workspace.events(EVENTS_A_CALL), START_MS))
            count += EVENTS_A_CALL
        owner.run("select ledger.seal()")
    owner.run("vacuum analyze")
    versions = int(owner.run("select count(*) from marketplace_projection.model_version")[0][0])
    print(f"{count:,} events, {versions:,} versions in {time.perf_counter() - start:.0f} s", flush=True)
    owner.run("create role analyst login")
    owner.run("select ledger.admit_reader('analyst')")
    analyst = Connection(cluster.conninfo(DATABASE, "analyst"))
    figures, clean = [], 0
    for path in sorted(QUERIES.glob("*.sql")):
        sql = asked(path)
        plan = json.loads(analyst.run(f"explain (analyze, verbose, format json) {sql}")[0][0])[0]["Plan"]
        times = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            rows = analyst.run(sql)
            times.append(time.perf_counter() - begun)
        found = wasteful(plan)
        clean += not found
        largest = max(relations(plan), key=lambda name: int(owner.run(f"select pg_relation_size('{name}')")[0][0]))
        begun = time.perf_counter()
        owner.run(f"select count(*) from (select t from {largest} t offset 0) q")
        baseline = time.perf_counter() - begun
        seconds = statistics.median(times)
        print(f"  {path.stem:24} {seconds * 1000:>10,.1f} ms  {len(rows):>7,} rows   {largest} read once {baseline * 1000:,.1f} ms"
              + "".join(f"\n      {line}" for line in found), flush=True)
        figures.append({"name": path.stem, "ours": round(seconds, 4), "baseline": round(baseline, 4), "unit": "s",
                        "ratio": round(baseline / seconds, 3), "goal": None, "met": None})
    questions = len(figures)
    figures.append({"name": "questions without a scan that throws most away", "ours": clean, "baseline": questions, "unit": "questions",
                    "ratio": round(clean / questions, 3), "goal": 1.0, "met": clean == questions})
    print(json.dumps({"bench": "queries", "figures": figures}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
