"""What `marketplace publish` wrote, as readers see it that have nothing to do with us, and as PostgreSQL has it.

The readers are deltalake, pyarrow, DuckDB and Spark, the last three over the files of the newest version. Spark also folds the
published events into the projections, by ops/spark/fold_events.py, as a cluster would.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.dataset
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

ROOT = Path(__file__).resolve().parents[3]
FOLD = ROOT / "ops" / "spark" / "fold_events.py"
VIEWS = ("catalog", "export_summary", "import_summary", "stage_history")
FOLDED = (*VIEWS, "alias_history", "production_history", "availability_history")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def spark_settings(scratch: Path) -> dict[str, str]:
    """One machine, and no port but on loopback."""
    return {"spark.master": "local[2]", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "2g", "spark.local.dir": str(scratch), "spark.sql.shuffle.partitions": "8",
            "spark.sql.warehouse.dir": str(scratch / "warehouse"), "spark.sql.session.timeZone": "UTC", "spark.log.level": "ERROR"}


def plain(value: Any) -> Any:
    """A cell as every reader can be brought to give it."""
    if hasattr(value, "astimezone"):
        return value.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def sorted_rows(rows: list[list[Any]]) -> list[list[Any]]:
    return sorted(([plain(value) for value in row] for row in rows), key=repr)


class Published:
    """The tables under a location, whose database is known."""

    def __init__(self, folder: Path, conninfo: str, location: str, options: dict[str, str]):
        self.folder, self.conninfo, self.location, self.options = folder, conninfo, location, options

    def table(self, name: str) -> DeltaTable | None:
        try:
            return DeltaTable(f"{self.location}/{name}", storage_options=self.options)
        except TableNotFoundError:
            return None

    def wanted(self, name: str, position: int) -> tuple[list[str], list[list[Any]]]:
        """The rows as PostgreSQL has them, through a driver of its own, sorted."""
        source = f"marketplace.{name}_at({position}::bigint)" if name != "events" else f"ledger.sealed_events(0, {position})"
        with psycopg.connect(self.conninfo) as connection:
            columns = connection.execute(
                "select a.attname, format_type(a.atttypid, -1) from pg_attribute a where a.attrelid = %s::regclass and a.attnum > 0 "
                "and a.attname <> 'salt' order by a.attnum", [f"marketplace.{name}" if name != "events" else "ledger.events"]).fetchall()
            names, expressions = [], []
            for column, kind in columns:
                if kind == "tstzrange":
                    names += [f"{column}_from", f"{column}_to", f"{column}_empty"]
                    expressions += [f"lower({column})", f"upper({column})", f"isempty({column})"]
                else:
                    names.append(column)
                    expressions.append({"uuid": f"{column}::text", "json": f"{column}::text", "bytea": f"encode({column}, 'hex')"}.get(kind, f'"{column}"'))
            return names, sorted_rows(connection.execute(f"select {', '.join(expressions)} from {source}").fetchall())

    @cached_property
    def spark(self) -> SparkSession:
        os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        builder = SparkSession.builder.appName("readers")
        for key, value in spark_settings(self.folder / "spark").items():
            builder = builder.config(key, value)
        return builder.getOrCreate()

    def readers(self, table: DeltaTable) -> dict[str, Callable[[list[str]], list[list[Any]]]]:
        files = self.files(table)

        def by_deltalake(names: list[str]) -> list[list[Any]]:
            rows = table.to_pyarrow_table().select(names)
            return [list(row.values()) for row in rows.to_pylist()]

        def by_duckdb(names: list[str]) -> list[list[Any]]:
            connection = duckdb.connect()
            connection.execute("set timezone = 'UTC'")
            columns = ", ".join(f'"{name}"' for name in names)
            return [list(row) for row in connection.execute(f"select {columns} from read_parquet(?)", [files]).fetchall()]

        def by_spark(names: list[str]) -> list[list[Any]]:
            frame = self.spark.read.parquet(*files)
            times = {name for name, kind in frame.dtypes if kind == "timestamp"}
            rows = frame.select(*(f.unix_micros(name) if name in times else f.col(name) for name in names)).collect()
            return [[EPOCH + datetime.timedelta(microseconds=value) if name in times and value is not None else value
                     for name, value in zip(names, row)] for row in rows]

        return {"deltalake": by_deltalake, "pyarrow": lambda names: by_pyarrow(files, names), "DuckDB": by_duckdb, "Spark": by_spark}

    def files(self, table: DeltaTable) -> list[str]:
        """Of the newest version, where other readers can reach them: a bucket's are copied."""
        uris = table.file_uris()
        if not self.options:
            return [uri.removeprefix("file://") for uri in uris]
        # Never under a name that was there before: readers remember files by their paths.
        copies = self.folder / "copies"
        copies.mkdir(exist_ok=True)
        paths = []
        for uri in uris:
            path = copies / uri.rsplit("/", 1)[-1]
            address = f"{self.options['aws_endpoint']}/{uri.removeprefix('s3://')}"
            subprocess.run(["curl", "-sSf", "-o", str(path), "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                            f"{self.options['aws_access_key_id']}:{self.options['aws_secret_access_key']}", address], check=True)
            paths.append(str(path))
        return paths

    def differences(self, position: int) -> dict[str, tuple[int, list[str]]]:
        """For each table and reader how many cells were compared, and what differs."""
        result = {}
        for name in (*VIEWS, "events"):
            names, rows = self.wanted(name, position)
            for reader, read in self.readers(self.table(name)).items():
                result[f"{name} by {reader}"] = (len(rows) * len(names), compared(f"{name} by {reader}", sorted_rows(read(names)), rows))
        return result

    def fold(self, position: int) -> Path:
        """Runs Spark's fold over the published events; the folder of its tables."""
        output, paths = self.folder / f"folded-{position}", self.folder / "events.files"
        paths.write_text("\n".join(self.files(self.table("events"))))
        settings = [part for key, value in spark_settings(self.folder / "spark").items() for part in ("--conf", f"{key}={value}")]
        environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
        done = subprocess.run([str(Path(sys.executable).with_name("spark-submit")), *settings, str(FOLD), str(paths), str(output), "--files",
                               "--at", str(position)], capture_output=True, text=True, env=environment)
        if done.returncode:
            raise RuntimeError(f"fold_events.py: {done.returncode}: {done.stderr[-4000:]}")
        return output

    def folded(self, output: Path, position: int) -> dict[str, tuple[int, list[str]]]:
        """For each folded table how many cells were compared with PostgreSQL's, and what differs."""
        result = {}
        for name in FOLDED:
            names, rows = self.wanted(name, position)
            found = sorted_rows(by_pyarrow([str(path) for path in (output / name).glob("*.parquet")], names))
            result[name] = (len(rows) * len(names), compared(f"{name} by the fold", found, rows))
        return result


def by_pyarrow(files: list[str], names: list[str]) -> list[list[Any]]:
    rows = pyarrow.dataset.dataset(files, format="parquet").to_table(columns=names)
    return [list(row.values()) for row in rows.to_pylist()]


def compared(label: str, found: list[list[Any]], rows: list[list[Any]]) -> list[str]:
    if not rows:
        return [f"{label}: there are no rows to compare"]
    wrong = [f"{label}: {len(found)} rows, not {len(rows)}"] if len(found) != len(rows) else []
    return wrong + [f"{label}: {a} is not {b}" for a, b in zip(found, rows) if a != b][:3]
