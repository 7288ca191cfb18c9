"""Writes Delta tables for `marketplace publish`, which starts it and tells it on standard input what to write.

Requests are lines of JSON; rows follow as comma-separated values in frames, each a line with its length in bytes, the last of
length 0. Each request is answered by a line of JSON on standard output. Needs the packages deltalake and pyarrow.

  {"op": "open", "table", "columns": [[name, type, comment], …]}          → {"position": the last one published, or null}
  {"op": "overwrite" | "append", "position"} and rows                     → {"rows"}
  {"op": "redact", "events": [[workspace, sequence], …]}                  → {"rows"}
  {"op": "maintain", "files_max", "retention_hours"}                      → {"compacted", "removed"}

A commit says which position of the ledger it is, in its own metadata and as a transaction of application "marketplace", in the
same commit as the rows: who was killed finds either both or neither.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pyarrow as pa
import pyarrow.csv as csv
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import TableNotFoundError

APPLICATION = "marketplace"
BLOCK_BYTES = 1 << 24
TYPES = {
    "string": pa.string(), "long": pa.int64(), "integer": pa.int32(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us", tz="UTC"),
    "strings": pa.list_(pa.string()),
}


class Frames(io.RawIOBase):
    """The rows of one request, as a file."""

    def __init__(self, source: Any):
        self.source, self.rest, self.ended = source, memoryview(b""), False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.rest and not self.ended:
            line = self.source.readline()
            if not line:
                raise EOFError("the rows end too early")
            length = int(line)
            self.ended = length == 0
            self.rest = memoryview(self.source.read(length)) if length else memoryview(b"")
            if len(self.rest) != length:
                raise EOFError("the rows end too early")
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count

    def drain(self) -> None:
        while self.read(BLOCK_BYTES):
            pass


class Table:
    def __init__(self, uri: str, options: dict[str, str], columns: list[list[str]]):
        self.uri, self.options, self.columns = uri, options, columns
        self.schema = pa.schema([pa.field(name, TYPES[kind], metadata={"comment": comment}) for name, kind, comment in columns])
        self.rows = 0

    def table(self) -> DeltaTable | None:
        try:
            return DeltaTable(self.uri, storage_options=self.options)
        except TableNotFoundError:
            return None

    def position(self) -> int | None:
        table = self.table()
        return None if table is None else table.transaction_version(APPLICATION)

    def batches(self, frames: Frames) -> Any:
        """Record batches of the rows, one block at a time."""
        texts = {name: pa.string() if kind == "strings" else TYPES[kind] for name, kind, _ in self.columns}
        try:
            reader = csv.open_csv(
                io.BufferedReader(frames, BLOCK_BYTES),
                read_options=csv.ReadOptions(column_names=list(texts), block_size=BLOCK_BYTES, use_threads=False),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=texts, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
                    true_values=["t"], false_values=["f"]))
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            raise
        for batch in reader:
            self.rows += batch.num_rows
            columns = []
            for (_, kind, _), column in zip(self.columns, batch.columns):
                if kind == "strings":
                    column = pa.array([None if text is None else json.loads(text) for text in column.to_pylist()], TYPES[kind])
                columns.append(column)
            yield pa.record_batch(columns, schema=self.schema)

    def properties(self, position: int) -> CommitProperties:
        return CommitProperties(custom_metadata={"marketplace.position": str(position)},
                                app_transactions=[Transaction(APPLICATION, position)])

    def write(self, mode: str, position: int, frames: Frames) -> int:
        self.rows = 0
        reader = pa.RecordBatchReader.from_batches(self.schema, self.batches(frames))
        write_deltalake(self.uri, reader, mode=mode, schema_mode="overwrite" if mode == "overwrite" else None, storage_options=self.options,
                        commit_properties=self.properties(position),
                        configuration={"delta.logRetentionDuration": "interval 30 days"})
        frames.drain()
        return self.rows

    def redact(self, events: list[list[Any]]) -> int:
        table = self.table()
        if table is None or not events:
            return 0
        where = " or ".join(f"(workspace = '{workspace}' and sequence = {int(sequence)})" for workspace, sequence in events)
        return table.update(updates={"data": "null"}, predicate=f"data is not null and ({where})")["num_updated_rows"]

    def maintain(self, files_max: int, retention_hours: int) -> dict[str, int]:
        table = self.table()
        if table is None:
            return {"compacted": 0, "removed": 0}
        compacted = 0
        if len(table.file_uris()) > files_max:
            compacted = table.optimize.compact()["numFilesRemoved"]
        removed = table.vacuum(retention_hours=retention_hours, dry_run=False, enforce_retention_duration=False)
        return {"compacted": compacted, "removed": len(removed)}


def main() -> None:
    source = sys.stdin.buffer
    table: Table | None = None
    for line in iter(source.readline, b""):
        request = json.loads(line)
        match request["op"]:
            case "open":
                table = Table(request["table"], request["options"], request["columns"])
                answer: dict[str, Any] = {"position": table.position()}
            case "overwrite" | "append" as mode if table:
                answer = {"rows": table.write(mode, request["position"], Frames(source))}
            case "redact" if table:
                answer = {"rows": table.redact(request["events"])}
            case "maintain" if table:
                answer = table.maintain(request["files_max"], request["retention_hours"])
            case _:
                raise ValueError(f"unknown request {request['op']}")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
