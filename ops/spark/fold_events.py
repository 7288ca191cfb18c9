"""Folds the published events into the projections, with Spark: the rows that PostgreSQL has, from a log of any size.

usage: spark-submit fold_events.py EVENTS OUTPUT [--at POSITION] [--without WORKSPACE …] [--format delta|parquet] [--files]

EVENTS is table `events` that `marketplace publish` writes; --at stops at a position. OUTPUT/catalog, export_summary,
import_summary, stage_history, alias_history, production_history and availability_history have the columns of schema
`marketplace`, a range as `…_from`, `…_to` and `…_empty`, as the published tables have them. Where Spark cannot read Delta,
--files says that EVENTS is a file with the paths of the table's Parquet files, one a line, which any reader of Delta can
tell; the output is Parquet then unless told otherwise.

The events of one model are folded one after the other, and models side by side: what is shared by a workspace's models, its
connections and when it was read last, is worked out before, and sent along. The rules are those of the documentation (The
catalog in SQL), written a second time here: that both agree is what the tests ask. An event whose data no projection can
take in, as PostgreSQL cannot, ends the job with its name; --without leaves its workspace out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from event_data import time_of
from model_fold import Rule, fold_models

SPELL = "from_sequence long, to_sequence long, from_recorded_at timestamp, to_recorded_at timestamp"
SPANS = ", ".join(f"{span}_from timestamp, {span}_to timestamp, {span}_empty boolean" for span in ("certain", "possible"))
MODEL = "workspace string, model string, name string"
EXPORT = "export_id string, uri string, manifest_sha256 string, model_sha256 string, files long, bytes long"
TABLES = {
    "catalog": f"{MODEL}, marketplace_name string, target string, version long, source_version long, source_created timestamp, "
               "available_version long, marketplace_version long, state string, reason string, since timestamp, description string, "
               "owner string, tags string, version_description string, flavors array<string>, signature string, "
               f"{EXPORT}, sequence long, recorded_at timestamp",
    "export_summary": f"{MODEL}, version long, created timestamp, generation long, state string, reason string, retriable boolean, "
                      f"{EXPORT}, invalidated_sequence long, invalidated_at timestamp, run string, principal string, sequence long, "
                      "recorded_at timestamp",
    "import_summary": f"{MODEL}, version long, created timestamp, generation long, target string, state string, reason string, "
                      "retriable boolean, export_id string, marketplace_name string, marketplace_version long, "
                      "marketplace_run_id string, manifest_sha256 string, lost_sequence long, lost_at timestamp, run string, "
                      "principal string, sequence long, recorded_at timestamp",
    "stage_history": f"{MODEL}, version long, created timestamp, stage string, {SPELL}, {SPANS}, source_time timestamp",
    "alias_history": f"{MODEL}, alias string, version long, created timestamp, {SPELL}, {SPANS}",
    "production_history": f"{MODEL}, version long, created timestamp, {SPELL}, {SPANS}, began_by string, ended_by string",
    "availability_history": f"{MODEL}, target string, marketplace_name string, marketplace_version long, version long, {SPELL}, "
                            "began_by string, ended_by string",
}
CONNECTIONS = ("WorkspaceConnected", "WorkspaceDisconnected")
OF_MODELS = (
    "ModelVersionRegistered", "StageTransitioned", "ModelVersionDeleted", "ModelRenamed", "AliasAssigned", "AliasRemoved",
    "ModelDescribed", "ModelExported", "ExportFailed", "ExportInvalidated", "ModelImported", "ImportFailed", "ImportLost",
    "MarketplacePromotionSet")


def read_workspaces(events: DataFrame) -> dict[str, tuple]:
    """What the models of a workspace share. Readings are many and stay in the cluster; connections are few."""
    readings = (
        events.where("type = 'WorkspaceObserved'")
        .select("workspace", "sequence", f.get_json_object("data", "$.outcome").alias("outcome"),
                f.get_json_object("data", "$.observed_to").cast("long").alias("observed_to"))
        .where("outcome = 'complete'"))
    newest = f.max_by("observed_to", "sequence").alias("observed_to")
    last = {row.workspace: time_of(row.observed_to) for row in readings.groupBy("workspace").agg(newest).collect()}
    connections = events.where(f.col("type").isin(*CONNECTIONS)).select("workspace", "sequence", "recorded", "type", "data")
    before = (
        connections.select(f.col("workspace").alias("at"), f.col("sequence").alias("connected"))
        .join(readings, (f.col("at") == f.col("workspace")) & (f.col("sequence") < f.col("connected")))
        .groupBy("workspace", "connected").agg(newest))
    read_until = {(row.workspace, row.connected): time_of(row.observed_to) for row in before.collect()}
    rules: dict[str, list[Rule]] = {}
    for row in sorted(connections.collect(), key=lambda row: (row.workspace, row.sequence)):
        promoted = (json.loads(row.data).get("promoted") or {}) if row.type == CONNECTIONS[0] else {}
        aliases, stages = promoted.get("aliases") or [], promoted.get("stages") or []
        earlier = rules.setdefault(row.workspace, [])
        changed = not earlier or (earlier[-1].type, earlier[-1].aliases, earlier[-1].stages) != (row.type, aliases, stages)
        earlier.append(Rule(row.sequence, row.recorded, row.type, aliases, stages, changed, read_until.get((row.workspace, row.sequence))))
    return {workspace: ([tuple(rule) for rule in rules.get(workspace, [])], last.get(workspace)) for workspace in {*rules, *last}}


def fold(spark: SparkSession, table: DataFrame, at: int | None, without: list[str]) -> dict[str, DataFrame]:
    """The projections as of a position, each as rows that are worked out when they are asked for."""
    last = table.agg(f.max("position")).first()[0] or 0
    if at is not None and not 0 <= at <= last:
        raise SystemExit(f"--at {at}: the events that are published end with position {last}.")
    events = table.where("data is not null").where(~f.col("workspace").isin(*without))
    if at is not None:
        events = events.where(f.col("position") <= at)
    events = events.withColumn("recorded", f.unix_micros("recorded_at"))
    workspaces = spark.sparkContext.broadcast(read_workspaces(events))
    # one way to write a UUID, as PostgreSQL has it: which model an event is of must not depend on that
    digits = f.lower(f.regexp_replace(f.get_json_object("data", "$.model"), "[{}-]", ""))
    rows = (
        events.where(f.col("type").isin(*OF_MODELS)).withColumn("model", digits).where("model is not null")
        .select("workspace", "model", "sequence", "recorded", "type", "run", "principal", "data")
        .repartition("workspace", "model").sortWithinPartitions("workspace", "model", "sequence")
        .rdd.mapPartitions(lambda part: fold_models(part, workspaces.value)).persist(StorageLevel.MEMORY_AND_DISK))
    return {name: frame(spark, rows, name) for name in TABLES}


def frame(spark: SparkSession, rows: Any, name: str) -> DataFrame:
    columns = [column.split(" ") for column in TABLES[name].split(", ")]
    kept = ", ".join(f"{column} {'long' if kind == 'timestamp' else kind}" for column, kind in columns)
    made = spark.createDataFrame(rows.filter(lambda row: row[0] == name).map(lambda row: row[1]), kept)
    return made.select(*(f.timestamp_micros(column).alias(column) if kind == "timestamp" else f.col(column) for column, kind in columns))


def session(reads_delta: bool) -> SparkSession:
    settings = {"spark.sql.session.timeZone": "UTC", "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
                "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED", "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED"}
    if reads_delta:
        settings |= {"spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
                     "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog"}
    builder = SparkSession.builder.appName("marketplace-fold")
    for key, setting in settings.items():
        builder = builder.config(key, setting)
    spark = builder.getOrCreate()
    for module in ("event_data.py", "model_fold.py"):
        spark.sparkContext.addPyFile(str(Path(__file__).with_name(module)))
    return spark


def main() -> None:
    parser = argparse.ArgumentParser(description="Folds the published events into the projections.")
    parser.add_argument("events", help="table `events` as published, or with --files a file with the paths of its Parquet files")
    parser.add_argument("output", help="folder of the tables that are written, of their own; what is there is replaced")
    parser.add_argument("--at", type=int, metavar="POSITION", help="the last position that is folded; without it, the last there is")
    parser.add_argument("--without", action="append", default=[], metavar="WORKSPACE", help="a workspace to leave out")
    parser.add_argument("--format", choices=("delta", "parquet"), help="of the output")
    parser.add_argument("--files", action="store_true", help="EVENTS is a file with the paths of Parquet files, one a line")
    arguments = parser.parse_args()
    events, output = arguments.events.rstrip("/"), arguments.output.rstrip("/")
    if not arguments.files and events.rpartition("/")[0] == output:
        raise SystemExit(f"{output} is where the published tables lie: choose another folder, or they are written over.")
    spark = session(reads_delta=not arguments.files)
    if arguments.files:
        with open(events, encoding="utf-8") as paths:
            table = spark.read.parquet(*paths.read().splitlines())
    else:
        table = spark.read.format("delta").load(events)
    kind = arguments.format or ("parquet" if arguments.files else "delta")
    for name, rows in fold(spark, table, arguments.at, arguments.without).items():
        rows.write.mode("overwrite").format(kind).save(f"{output}/{name}")
    spark.stop()


if __name__ == "__main__":
    main()
