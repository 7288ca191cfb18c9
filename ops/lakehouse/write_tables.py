"""Writes Delta tables for `marketplace publish`, which starts it and tells it on standard input what to write.

Requests are lines of JSON; rows follow as comma-separated values in frames, each a line with its length in bytes, the last of
length 0. Each request is answered by a line of JSON on standard output. Needs the packages deltalake and pyarrow.

  {"op": "open", "table", "columns": [[name, type, comment], …],
   "retention_hours"}                      → {"position": the last one published, or null, "last": [id, data_hash] of its event}
  {"op": "overwrite" | "append", "position"} and rows                     → {"rows"}
  {"op": "redact", "events": [[workspace, sequence], …]}                  → {"rows"}
  {"op": "maintain", "files_max"}                                         → {"compacted", "removed"}

A commit says which position of the ledger it is, in its own metadata and as a transaction of application "marketplace", in the
same commit as the rows: who was killed finds either both or neither.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError

APPLICATION = "marketplace"
BLOCK_BYTES = 1 << 24
# Rows that are encoded before they are written: what the writer's memory holds.
ROWS_AT_ONCE = 1 << 16
# Events that one statement redacts: a predicate of thousands takes quadratic time.
REDACTED_AT_ONCE = 400
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
    def __init__(self, uri: str, options: dict[str, str], columns: list[list[str]], retention_hours: int):
        self.uri, self.options, self.columns, self.retention_hours = uri, options, columns, retention_hours
        self.schema = pa.schema([pa.field(name, TYPES[kind], metadata={"comment": comment}) for name, kind, comment in columns])
        self.rows = 0
        self.load()

    def load(self) -> None:
        """What was read here is what a commit builds on: whoever else commits meanwhile makes it fail."""
        try:
            self.delta: DeltaTable | None = DeltaTable(self.uri, storage_options=self.options)
        except TableNotFoundError:
            self.delta = None

    def position(self) -> int | None:
        return None if self.delta is None else self.delta.transaction_version(APPLICATION)

    def last(self) -> list[str] | None:
        """Which event stands at the last position, where the table has events."""
        position = self.position()
        if self.delta is None or position is None or "data_hash" not in self.schema.names:
            return None
        rows = self.delta.to_pyarrow_dataset().to_table(columns=["id", "data_hash"], filter=pc.field("position") == position).to_pylist()
        return [rows[0]["id"], rows[0]["data_hash"]] if len(rows) == 1 else None

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
        write_deltalake(
            self.uri if self.delta is None else self.delta, reader, mode="error" if self.delta is None else mode,
            schema_mode=None if self.delta is None else "overwrite" if mode == "overwrite" else "merge",
            storage_options=self.options if self.delta is None else None, commit_properties=self.properties(position),
            writer_properties=WriterProperties(max_row_group_size=ROWS_AT_ONCE),
            configuration={"delta.logRetentionDuration": "interval 30 days",
                           "delta.deletedFileRetentionDuration": f"interval {self.retention_hours} hours"} if self.delta is None else None)
        frames.drain()
        self.load()
        if self.position() != position:
            raise RuntimeError(f"somebody else writes {self.uri}: it is at position {self.position()}, not {position}")
        return self.rows

    def redact(self, events: list[list[Any]]) -> int:
        count = 0
        spread: dict[str, list[int]] = {}
        for workspace, sequence in events:
            spread.setdefault(workspace, []).append(int(sequence))
        for workspace, sequences in spread.items():
            for start in range(0, len(sequences), REDACTED_AT_ONCE):
                part = ", ".join(str(sequence) for sequence in sequences[start:start + REDACTED_AT_ONCE])
                if self.delta is not None:
                    count += self.delta.update(
                        updates={"data": "null"},
                        predicate=f"data is not null and workspace = '{workspace}' and sequence in ({part})")["num_updated_rows"]
        self.load()
        return count

    def maintain(self, files_max: int) -> dict[str, int]:
        """Also what writers left that were killed, and what was forgotten by checkpoints of the log."""
        if self.delta is None:
            return {"compacted": 0, "removed": 0}
        compacted = 0
        if len(self.delta.file_uris()) > files_max:
            compacted = self.delta.optimize.compact()["numFilesRemoved"]
        removed = self.delta.vacuum(retention_hours=self.retention_hours, dry_run=False, enforce_retention_duration=False, full=True)
        return {"compacted": compacted, "removed": len(removed)}


def main() -> None:
    source = sys.stdin.buffer
    table: Table | None = None
    for line in iter(source.readline, b""):
        request = json.loads(line)
        match request["op"]:
            case "open":
                table = Table(request["table"], request["options"], request["columns"], request["retention_hours"])
                answer: dict[str, Any] = {"position": table.position(), "last": table.last()}
            case "overwrite" | "append" as mode if table:
                answer = {"rows": table.write(mode, request["position"], Frames(source))}
            case "redact" if table:
                answer = {"rows": table.redact(request["events"])}
            case "maintain" if table:
                answer = table.maintain(request["files_max"])
            case _:
                raise ValueError(f"unknown request {request['op']}")
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
