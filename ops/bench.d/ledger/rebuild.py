"""ops/bench rebuild: rebuilding the projections and asking for the past, beside bare SQL that yields the same rows.

usage: rebuild.py CLUSTER_DIRECTORY full|short
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from database import Cluster
from mix import PRINCIPAL, START_MS, workspaces
from wire import Call, Connection

HERE = Path(__file__).resolve().parent
EVENTS_PER_WORKSPACE = {"full": 5000, "short": 500}
EVENTS_A_CALL = 250
# Odd, so that ours comes last.
ROUNDS = 9
GOAL_REBUILD = 1.2
GOAL_AS_OF = 1.5
# The past is asked for at these parts of the log.
PARTS = (0.25, 0.5, 0.75, 1.0)
CATALOG = (HERE / "bare_catalog.sql").read_text()
CATALOG_ROWS = """
insert into bare.catalog
select workspace, model, name, marketplace_name, target, version, source_version, source_created, available_version,
  marketplace_version, state, reason, since, described_sequence, version_described_sequence, export_sequence, import_sequence,
  sequence, recorded_at
from said"""
# The columns of marketplace.catalog, texts included.
CATALOG_AT = """
select c.workspace, c.model, c.name, c.marketplace_name, c.target, c.version, c.source_version,
  marketplace_projection.time_of(c.source_created) as source_created, c.available_version, c.marketplace_version, c.state,
  c.reason, c.since, m.description, m.owner, m.tags, v.description as version_description, v.flavors, v.signature, c.export_id,
  c.uri, c.manifest_sha256, c.model_sha256, c.files, c.bytes, c.sequence, c.recorded_at
from said c
left join bare.description m on m.workspace = c.workspace and m.model = c.model and m.version = 0
  and m.sequence = c.described_sequence
left join bare.description v on v.workspace = c.workspace and v.model = c.model and v.version = c.version
  and v.sequence = c.version_described_sequence
where c.state <> 'withdrawn'"""


def load(cluster: Cluster, events: int) -> int:
    """The log, appended as jobs do, a stretch of each workspace in turn, sealed now and then."""
    writer, owner = Connection(cluster.conninfo("projected", PRINCIPAL)), Connection(cluster.conninfo("projected"))
    everywhere = workspaces()
    for workspace in everywhere:
        owner.run(f"select ledger.open_workspace('{workspace.name}')")
        writer.append(Call([workspace.connect()], START_MS))
    for _ in range(events // EVENTS_A_CALL):
        for workspace in everywhere:
            writer.append(Call(workspace.events(EVENTS_A_CALL), START_MS))
        owner.run("select ledger.seal()")
    count = int(owner.run("select count(*) from ledger.event")[0][0])
    writer.close()
    owner.close()
    return count


def tables(connection: Connection) -> list[str]:
    return [name for (name,) in connection.run(
        "select relname from pg_class where relnamespace = 'marketplace_projection'::regnamespace and relkind = 'r' order by 1")]


def differences(connection: Connection, names: list[str]) -> list[str]:
    """Tables whose rows differ between the projections and the bare tables."""
    different = []
    for name in names:
        rows = connection.run(f"""
            select count(*) from (
              (select t::text from marketplace_projection.{name} t except all select t::text from bare.{name} t)
              union all
              (select t::text from bare.{name} t except all select t::text from marketplace_projection.{name} t)) d""")
        if rows != [("0",)]:
            different.append(f"{name} ({rows[0][0]} rows)")
    return different


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def empty(connection: Connection, names: list[str]) -> None:
    connection.run("truncate " + ", ".join(f"marketplace_projection.{name}" for name in names))


def rebuild_ours(connection: Connection, names: list[str]) -> None:
    for workspace in names:
        connection.run(f"select ledger.rebuild_projection('marketplace', '{workspace}')")


def rebuild_bare(connection: Connection, names: list[str]) -> None:
    cut = CATALOG.replace("{cut}", "select workspace, last_sequence as sequence from ledger.head")
    connection.run("begin; truncate " + ", ".join(f"bare.{name}" for name in names) + ";" + (HERE / "bare.sql").read_text()
                   + "; analyze bare.current_version, bare.current_closed, bare.promotion, bare.promotion_closed, bare.export, "
                   + "bare.import, bare.description, bare.model;" + cut + CATALOG_ROWS + "; commit")


def paired(work: dict[str, object], before=lambda: None) -> tuple[dict[str, float], float]:
    """Median seconds of each, and the median of the ratios ours : bare; who begins alternates."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for number in range(ROUNDS):
        for name in list(work)[:: 1 if number % 2 == 0 else -1]:
            before()
            seconds[name].append(timed(work[name]))
    ratio = statistics.median(a / b for a, b in zip(seconds["ours"], seconds["bare"]))
    return {name: statistics.median(values) for name, values in seconds.items()}, ratio


def figure(name: str, medians: dict[str, float], ratio: float, goal: float) -> dict:
    print(f"{name:<28} ours {medians['ours'] * 1000:>9,.1f} ms   bare {medians['bare'] * 1000:>9,.1f} ms   "
          f"ratio {ratio:.2f}   at most {goal}: {'met' if ratio <= goal else 'not met'}", flush=True)
    return {"name": name, "ours": round(medians["ours"], 4), "baseline": round(medians["bare"], 4), "unit": "s",
            "ratio": round(ratio, 2), "goal": goal, "met": ratio <= goal}


def as_of(connection: Connection, position: int, part: float) -> dict:
    ours = f"select * from marketplace.catalog_at({position}::bigint)"
    bare = CATALOG.replace("{cut}", f"select * from ledger.cut_at({position})") + CATALOG_AT
    both = f"create temporary table a as {ours}; create temporary table b as {bare};"
    connection.run(both)
    differ = connection.run("select count(*) from ((select a::text from a except all select b::text from b) union all "
                            "(select b::text from b except all select a::text from a)) d")
    rows = connection.run("select count(*) from a")[0][0]
    connection.run("drop table a, b")
    if differ != [("0",)]:
        raise AssertionError(f"the catalog at {position} differs from the bare one in {differ[0][0]} rows")
    # what travels is a count and a digest, so that it is the query that is measured
    digest = "select count(*), sum(hashtext(q::text)) from ({}) q"
    medians, ratio = paired({
        "ours": lambda: connection.run(digest.format(ours)),
        "bare": lambda: connection.run(digest.format(bare))})
    return figure(f"catalog as of {part:.0%} ({rows} rows)", medians, ratio, GOAL_AS_OF)


def main(directory: str, size: str) -> None:
    cluster = Cluster(directory)
    cluster.migrated("projected")
    start = time.perf_counter()
    count = load(cluster, EVENTS_PER_WORKSPACE[size])
    print(f"{count:,} events in {len(workspaces())} workspaces, appended in {time.perf_counter() - start:.0f} s")
    connection = Connection(cluster.conninfo("projected"))
    names = tables(connection)
    connection.run("create schema bare;" + "".join(
        f"create table bare.{name} (like marketplace_projection.{name} including indexes including storage);" for name in names))
    cluster.settle("projected")
    keys = [key for (key,) in connection.run("select workspace from ledger.workspace order by 1")]
    rebuild_bare(connection, names)
    different = differences(connection, names)
    if different:
        raise AssertionError("bare SQL and the projections have other rows: " + ", ".join(different))
    print(f"""Ours: ledger.rebuild_projection for one workspace after the other, each its own transaction, beside tables that are
right, as after an upgrade, and into tables that are empty.
Bare: truncate and INSERT … SELECT over all workspaces, in one transaction; same tables, columns, keys and rows, in SQL that
knows what cannot occur in these events. One connection each, in turn, median of {ROUNDS} rounds. As of a position: marketplace.catalog_at
beside one plain query over the bare tables with the same rows.
""", flush=True)
    found = []
    for name, before in {"rebuild": lambda: None, "rebuild into empty tables": lambda: empty(connection, names)}.items():
        medians, ratio = paired(
            {"bare": lambda: rebuild_bare(connection, names), "ours": lambda: rebuild_ours(connection, keys)}, before)
        found.append(figure(name, medians, ratio, GOAL_REBUILD))
        different = differences(connection, names)
        if different:
            raise AssertionError(f"after {name} the rows are others: " + ", ".join(different))
    cluster.settle("projected")
    last = int(connection.run("select max(last_position) from ledger.seal")[0][0])
    found += [as_of(connection, int(last * part), part) for part in PARTS]
    connection.close()
    print(json.dumps({"bench": "rebuild", "figures": found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
