"""Calls encoded once, before any clock runs, and sent as they are: what a client would spend on encoding is spent for
no contender, so the figures are those of the server. libpq through psycopg's thin layer, binary, prepared.
"""

from __future__ import annotations

import struct

from psycopg import pq

from mix import PRINCIPAL, RUN, Event

INT2, INT4, INT8, TEXT, BYTEA, JSON, UUID, TIMESTAMPTZ = 21, 23, 20, 25, 17, 114, 2950, 1184
EPOCH_2000_MS = 946_684_800_000
COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
COPY_TRAILER = struct.pack("!h", -1)

# The columns as they lie in ledger.event; a bare insert and a copy are told all of them.
COLUMNS = ("sequence", "version", "recorded_at", "occurred_at", "nth", "type_version", "id", "run", "workspace", "stream",
           "type", "principal", "data_hash", "salt", "data")

INSERT = """
insert into bare.inserted (sequence, version, recorded_at, occurred_at, nth, type_version, id, run, workspace, stream, type,
                           principal, data_hash, salt, data)
select u.sequence, u.version, $2, u.occurred_at, u.nth, 1::smallint, u.id, $3, $1, u.stream, u.type, $4, u.data_hash, u.salt, u.data
from unnest($5::bigint[], $6::bigint[], $7::timestamptz[], $8::integer[], $9::uuid[], $10::text[], $11::text[], $12::bytea[],
            $13::bytea[], $14::json[])
  as u (sequence, version, occurred_at, nth, id, stream, type, data_hash, salt, data)"""
INSERT_ONE = """
insert into bare.inserted (sequence, version, recorded_at, occurred_at, nth, type_version, id, run, workspace, stream, type,
                           principal, data_hash, salt, data)
values ($5::bigint, $6::bigint, $2, $7::timestamptz, $8::integer, 1::smallint, $9::uuid, $3, $1, $10, $11, $4, $12::bytea,
        $13::bytea, $14::json)"""
COPY = f"copy bare.copied ({', '.join(COLUMNS)}) from stdin (format binary)"
APPEND = """
select sequences, appended, replayed, recorded_at
from ledger.append($1, $2, $3, $4, $5, null, $6, $7, null, null, $8, null)"""
APPEND_ONE = """
select sequence, replayed, recorded_at
from ledger.append_one($1, $2, $3::bigint, $4::uuid, $5, null, $6::timestamptz, $7, null, null, $8::uuid, null)"""


def int8(value: int | None) -> bytes | None:
    return None if value is None else struct.pack("!q", value)


def time(milliseconds: int | None) -> bytes | None:
    return None if milliseconds is None else struct.pack("!q", (milliseconds - EPOCH_2000_MS) * 1000)


def array(oid: int, values: list[bytes | None]) -> bytes:
    """A one-dimensional array in the binary format."""
    parts = [struct.pack("!iiiii", 1, int(None in values), oid, len(values), 1)]
    for value in values:
        parts.append(b"\xff\xff\xff\xff" if value is None else struct.pack("!i", len(value)) + value)
    return b"".join(parts)


class Call:
    """One call of every contender with the same events."""

    __slots__ = ("count", "insert", "append", "rows", "workspace", "events")

    def __init__(self, events: list[Event], recorded_ms: int):
        self.count = len(events)
        self.events = events
        self.workspace = events[0].workspace
        workspace, run, principal, recorded = self.workspace.encode(), RUN.bytes, PRINCIPAL.encode(), time(recorded_ms)
        columns = {
            "sequence": (INT8, [int8(e.sequence) for e in events]),
            "version": (INT8, [int8(e.version) for e in events]),
            "occurred_at": (TIMESTAMPTZ, [time(e.occurred_ms) for e in events]),
            "nth": (INT4, [struct.pack("!i", n) for n in range(len(events))]),
            "id": (UUID, [e.id.bytes for e in events]),
            "stream": (TEXT, [e.stream.encode() for e in events]),
            "type": (TEXT, [e.type.encode() for e in events]),
            "data_hash": (BYTEA, [e.hash for e in events]),
            "salt": (BYTEA, [e.salt for e in events]),
            "data": (JSON, [e.data for e in events]),
        }
        expected = [int8(e.expected) for e in events]
        if self.count == 1:
            encoded = {name: values[0] for name, (_, values) in columns.items()}
            self.append = [workspace, encoded["stream"], expected[0], encoded["id"], encoded["type"], encoded["occurred_at"],
                           encoded["data"], run]
        else:
            encoded = {name: array(oid, values) for name, (oid, values) in columns.items()}
            self.append = [workspace, encoded["stream"], array(INT8, expected), encoded["id"], encoded["type"],
                           encoded["occurred_at"], array(TEXT, columns["data"][1]), run]
        self.insert = [workspace, recorded, run, principal, *encoded.values()]
        fixed = {"recorded_at": recorded, "type_version": struct.pack("!h", 1), "run": run, "workspace": workspace,
                 "principal": principal}
        rows = [COPY_HEADER]
        for n in range(self.count):
            rows.append(struct.pack("!h", len(COLUMNS)))
            for name in COLUMNS:
                value = fixed[name] if name in fixed else columns[name][1][n]
                rows.append(b"\xff\xff\xff\xff" if value is None else struct.pack("!i", len(value)) + value)
        self.rows = b"".join(rows) + COPY_TRAILER


class Connection:
    """A libpq connection that sends encoded calls. The lock of the interpreter is free while libpq waits."""

    def __init__(self, conninfo: str):
        self.pg = pq.PGconn.connect(conninfo.encode())
        if self.pg.status != pq.ConnStatus.OK:
            raise ConnectionError(self.pg.get_error_message())
        self.prepared: set[bytes] = set()

    def check(self, result: pq.PGresult) -> pq.PGresult:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COPY_IN):
            raise RuntimeError(result.get_error_message())
        return result

    def run(self, sql: str) -> list[tuple[str | None, ...]]:
        result = self.check(self.pg.exec_(sql.encode()))
        return [tuple(v.decode() if (v := result.get_value(r, c)) is not None else None for c in range(result.nfields))
                for r in range(result.ntuples)]

    def call(self, name: bytes, sql: str, parameters: list[bytes | None]) -> pq.PGresult:
        if name not in self.prepared:
            self.check(self.pg.prepare(name, sql.encode()))
            self.prepared.add(name)
        return self.check(self.pg.exec_prepared(name, parameters, [1] * len(parameters), 1))

    def insert(self, call: Call) -> None:
        if call.count == 1:
            self.call(b"insert_one", INSERT_ONE, call.insert)
        else:
            self.call(b"insert", INSERT, call.insert)

    def copy(self, call: Call) -> None:
        self.check(self.pg.exec_(COPY.encode()))
        self.pg.put_copy_data(call.rows)
        self.pg.put_copy_end()
        while (result := self.pg.get_result()) is not None:
            self.check(result)

    def append(self, call: Call) -> None:
        """Ours. The sequences that come back are looked at: nothing may have been known already."""
        if call.count == 1:
            result = self.call(b"append_one", APPEND_ONE, call.append)
            assert result.get_value(0, 1) == b"\0", "an event was known already"
        else:
            result = self.call(b"append", APPEND, call.append)
            assert result.get_value(0, 1) == struct.pack("!i", call.count), "events were known already"

    def close(self) -> None:
        self.pg.finish()
