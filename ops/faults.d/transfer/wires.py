"""Proxies that stand between the program and its servers, where a plan may look, cut, answer instead or hold.

A step is one request: of HTTP by method and path pattern, of S3 by method and what it is about, of PostgreSQL by what
its SQL does. A plan is asked before a step is forwarded, while its bytes pass, and when the server has answered but the
client has not seen it.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PIECE_BYTES = 1 << 16
HEAD_BYTES_MAX = 1 << 20
UPSTREAM_DEADLINE_S = 300
ACCEPT_BACKLOG = 128


class Cut(Exception):
    """The wire is cut here: both ends see a reset."""


@dataclass
class Step:
    """One request on its way."""

    name: str
    # Body bytes to come in each direction, where the head says so.
    sizes: dict = field(default_factory=dict)
    passed: dict = field(default_factory=lambda: {"up": 0, "down": 0})
    # The proxy's end of the client's connection.
    client: socket.socket | None = None
    # Path and query, of HTTP.
    target: str = ""
    # What is sent up, where it is small.
    body: bytes = b""


class Calm:
    """A plan that lets everything pass."""

    def request(self, step: Step) -> bytes | None:
        """Before the step is forwarded. Bytes are sent back instead of forwarding it."""

    def passing(self, step: Step, direction: str, piece: bytes) -> None:
        """Before a piece of a body is forwarded; `step.passed` does not count it yet."""

    def answered(self, step: Step) -> bytes | None:
        """The server has answered, the client does not know. Bytes are sent to it instead, over HTTP."""

    def release(self) -> None:
        """The client has ended: what the plan held back is let go."""

    def parts(self, piece: bytes) -> Iterable[bytes]:
        """How a piece of a body is forwarded."""
        return (piece,)


class Board:
    """Where the proxies of one run find the plan of the moment."""

    def __init__(self) -> None:
        self.plan: Calm = Calm()


class Listener:
    """Accepts connections, a thread each, until closed."""

    def __init__(self, board: Board, listening: socket.socket):
        self.board = board
        self.listening = listening
        listening.listen(ACCEPT_BACKLOG)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.guarded, args=(client,), daemon=True).start()

    def guarded(self, client: socket.socket) -> None:
        sockets = [client]
        try:
            self.serve(client, sockets)
        except (Cut, OSError):
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        finally:
            for each in sockets:
                each.close()

    def serve(self, client: socket.socket, sockets: list[socket.socket]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


class Reader:
    """A socket read by heads and bodies."""

    def __init__(self, source: socket.socket):
        self.source = source
        self.buffer = b""

    def head(self) -> bytes:
        """Up to and with the empty line; nothing when the peer has closed."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > HEAD_BYTES_MAX:
                raise Cut
            if not self.fill():
                return b""
        head, self.buffer = self.buffer[: end + 4], self.buffer[end + 4 :]
        return head

    def fill(self) -> bool:
        piece = self.source.recv(PIECE_BYTES)
        self.buffer += piece
        return bool(piece)

    def exactly(self, count: int) -> Iterator[bytes]:
        while count:
            if not self.buffer and not self.fill():
                raise Cut
            piece, self.buffer = self.buffer[:count], self.buffer[count:]
            count -= len(piece)
            yield piece

    def line(self) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            if not self.fill():
                raise Cut
        line, self.buffer = self.buffer[: end + 2], self.buffer[end + 2 :]
        return line

    def chunked(self) -> Iterator[bytes]:
        """The chunks with their framing."""
        while True:
            line = self.line()
            size = int(line.split(b";")[0], 16)
            yield line + b"".join(self.exactly(size + 2))
            if size == 0:
                return

    def rest(self) -> Iterator[bytes]:
        while self.buffer or self.fill():
            piece, self.buffer = self.buffer, b""
            yield piece


def header(head: bytes, name: bytes) -> bytes | None:
    found = re.search(rb"\r\n" + name + rb":[ \t]*([^\r]*)\r\n", head, re.IGNORECASE)
    return found[1].strip() if found else None


PREFIX = re.compile(r"^/(?:ajax-)?api/\d\.0/mlflow/")
ARTIFACTS = re.compile(r"^/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts(/.*)?$")
IDENTIFIER = re.compile(r"(?<=/)(m-)?[0-9a-f]{32}(?=/|$)")


def path_pattern(target: str) -> str:
    """The path without what differs from one model to the next."""
    path = target.split("?")[0]
    if found := ARTIFACTS.match(path):
        return "artifacts/…" if found[1] else "artifacts"
    return IDENTIFIER.sub("ID", PREFIX.sub("", path))


class HTTPProxy(Listener):
    """In front of one HTTP server; its address is in `url`. The server may come back elsewhere: set `upstream`."""

    def __init__(self, board: Board, label: str, upstream: str):
        self.label = label
        self.upstream = urlsplit(upstream)
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        super().__init__(board, listening)

    def serve(self, client: socket.socket, sockets: list[socket.socket]) -> None:
        reader = Reader(client)
        while head := reader.head():
            method, target, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
            step = Step(f"{self.label}: {method} {self.pattern(method, target)}", client=client, target=target)
            if not self.exchange(step, method, head, reader, client, sockets):
                return

    def pattern(self, method: str, target: str) -> str:
        return path_pattern(target)

    def exchange(self, step: Step, method: str, head: bytes, reader: Reader, client: socket.socket, sockets: list) -> bool:
        """One request and its answer; whether the connection may carry another."""
        plan = self.board.plan
        body = self.request_body(step, head, reader)
        if (step.sizes["up"] or PIECE_BYTES) < PIECE_BYTES:
            # A small one is taken in first: it can be sent on later, whatever has become of the client.
            step.body = b"".join(body)
            body = iter([step.body])
        canned = plan.request(step)
        if canned is not None:
            for _ in body:
                pass
            client.sendall(canned)
            return True
        server = socket.create_connection((self.upstream.hostname, self.upstream.port), UPSTREAM_DEADLINE_S)
        sockets.append(server)
        try:
            server.sendall(head)
            self.pass_on(plan, step, "up", body, server)
            answer = Reader(server)
            back = answer.head()
            if not back:
                raise Cut
            if instead := plan.answered(step):
                client.sendall(instead)
                return False
            client.sendall(back)
            length = header(back, b"content-length")
            step.sizes["down"] = int(length) if length else None
            if method == "HEAD" or back.split(b" ")[1] in (b"204", b"304"):
                return True
            if length is not None:
                pieces = answer.exactly(int(length))
            elif b"chunked" in (header(back, b"transfer-encoding") or b"").lower():
                pieces = answer.chunked()
            else:
                pieces = answer.rest()
            self.pass_on(plan, step, "down", pieces, client)
            return length is not None or b"chunked" in (header(back, b"transfer-encoding") or b"").lower()
        finally:
            sockets.remove(server)
            server.close()

    @staticmethod
    def request_body(step: Step, head: bytes, reader: Reader) -> Iterator[bytes]:
        length = header(head, b"content-length")
        if length is not None:
            step.sizes["up"] = int(length)
            return reader.exactly(int(length))
        if b"chunked" in (header(head, b"transfer-encoding") or b"").lower():
            step.sizes["up"] = None
            return reader.chunked()
        step.sizes["up"] = 0
        return iter(())

    @staticmethod
    def pass_on(plan: Calm, step: Step, direction: str, pieces: Iterator[bytes], to: socket.socket) -> None:
        for piece in pieces:
            for part in plan.parts(piece):
                plan.passing(step, direction, part)
                to.sendall(part)
                step.passed[direction] += len(part)


NOTE = re.compile(r"/\.[0-9a-f-]{36}\.part$")
# What a request with an upload's id does to it.
UPLOAD = {"POST": "join", "DELETE": "abort", "GET": "parts"}


class BucketProxy(HTTPProxy):
    """In front of an S3 server: its steps are told apart by what they are about, whatever key, part and upload it is."""

    def pattern(self, method: str, target: str) -> str:
        address = urlsplit(target)
        query = parse_qs(address.query, keep_blank_values=True)
        if "partNumber" in query:
            return "part"
        if "uploadId" in query:
            return UPLOAD[method]
        if "uploads" in query:
            return "begin" if method == "POST" else "uploads"
        if "list-type" in query:
            return "list"
        if NOTE.search(address.path):
            return "note"
        return "manifest" if address.path.endswith("/manifest.json") else "file"


OBJECTS_IN_SQL = re.compile(r"\b((?:ledger|marketplace|marketplace_\w+)\.\w+|pg_\w*lock\w*)", re.IGNORECASE)
TABLES_IN_SQL = re.compile(r"\b(?:from|into|update)\s+([a-z_][\w.]*)", re.IGNORECASE)
# A client's message that ends what the server answers as a whole.
FLUSHING = b"SQXcfp"
SQL_WORDS = 3
# Preparing does nothing by itself, so it is no step of its own.
PREPARING = "prepare"
TCP_TIMEOUTS = ("sslmode=disable gssencmode=disable connect_timeout=2 keepalives_idle=1 keepalives_interval=1 "
                "keepalives_count=2 tcp_user_timeout=2000")


def sql_name(sql: str) -> str:
    """What a statement does, in a few words: its verb and the first objects that it names."""
    verb = (sql.split(None, 1) or ["nothing"])[0].lower().rstrip(";")
    found = OBJECTS_IN_SQL.findall(sql) or TABLES_IN_SQL.findall(sql)
    names = list(dict.fromkeys(name.lower() for name in found))
    return " ".join([verb, *names[:SQL_WORDS]]) if names else " ".join(sql.lower().rstrip(";").split()[:SQL_WORDS])


class PostgresProxy(Listener):
    """In front of a PostgreSQL's unix socket, on a unix socket in `directory`, or on TCP without one."""

    def __init__(self, board: Board, label: str, directory: Path | None, upstream: str):
        self.label = label
        self.upstream = upstream
        if directory:
            directory.mkdir(parents=True, exist_ok=True)
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(directory / ".s.PGSQL.5432"))
            self.address = f"host={directory}"
        else:
            listening = socket.create_server(("127.0.0.1", 0))
            self.address = f"host=127.0.0.1 port={listening.getsockname()[1]} {TCP_TIMEOUTS}"
        super().__init__(board, listening)

    def serve(self, client: socket.socket, sockets: list[socket.socket]) -> None:
        server = socket.socket(socket.AF_UNIX)
        sockets.append(server)
        server.connect(f"{self.upstream}/.s.PGSQL.5432")
        connection = PostgresConnection(self, client, server)
        try:
            backward = threading.Thread(target=connection.backward, daemon=True)
            backward.start()
            connection.forward()
        finally:
            for each in (client, server):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            backward.join()


class PostgresConnection:
    """One connection: what the client sends goes on in whole requests, each one step."""

    def __init__(self, proxy: PostgresProxy, client: socket.socket, server: socket.socket):
        self.proxy = proxy
        self.client = client
        self.server = server
        self.statements: dict[bytes, str] = {}
        self.step = Step(f"{proxy.label}: connect", client=client)
        self.plan = proxy.board.plan
        self.is_answering = False
        # What a commit commits, by the name of the last statement before it.
        self.last = ""

    def forward(self) -> None:
        buffer, is_open = b"", False
        unit, name = b"", ""
        while piece := self.client.recv(PIECE_BYTES):
            buffer += piece
            while (size := self.message_size(buffer, is_open)) is not None:
                message, buffer = buffer[:size], buffer[size:]
                unit += message
                if is_open:
                    name = self.name(message) or name
                    if message[:1] not in FLUSHING and message[:1] != b"d":
                        continue
                    if message[:1] == b"X":
                        name = "disconnect"
                else:
                    is_open, name = True, "connect"
                self.send(unit, name or "copy")
                unit, name = b"", ""

    @staticmethod
    def message_size(buffer: bytes, is_open: bool) -> int | None:
        start = 1 if is_open else 0
        if len(buffer) < start + 4:
            return None
        size = start + struct.unpack("!I", buffer[start : start + 4])[0]
        return size if len(buffer) >= size else None

    def name(self, message: bytes) -> str:
        kind, rest = message[:1], message[5:]
        if kind == b"Q":
            return self.named(rest.rstrip(b"\0").decode("utf-8", "replace"))
        if kind == b"P":
            statement, sql, _ = rest.split(b"\0", 2)
            self.statements[statement] = sql.decode("utf-8", "replace")
            return self.named(self.statements[statement]) if not statement else PREPARING
        if kind == b"B":
            _, statement, _ = rest.split(b"\0", 2)
            return self.named(self.statements.get(statement, ""))
        return ""

    def named(self, sql: str) -> str:
        name = sql_name(sql)
        if name.startswith("commit"):
            return f"commit of {self.last}"
        if not name.startswith(("begin", "rollback")):
            self.last = name
        return name

    def send(self, unit: bytes, name: str) -> None:
        plan = self.plan = Calm() if name == PREPARING else self.proxy.board.plan
        self.step = Step(f"{self.proxy.label}: {name}", {"up": len(unit)}, client=self.client)
        plan.request(self.step)
        plan.passing(self.step, "up", unit)
        self.is_answering = True
        self.server.sendall(unit)
        self.step.passed["up"] += len(unit)

    def backward(self) -> None:
        """Answers, as they come; an answer is whole with ReadyForQuery."""
        buffer = b""
        try:
            while piece := self.server.recv(PIECE_BYTES):
                buffer += piece
                while (size := self.message_size(buffer, True)) is not None:
                    if buffer[:1] == b"Z" and self.is_answering:
                        self.is_answering = False
                        self.plan.answered(self.step)
                    buffer = buffer[size:]
                self.plan.passing(self.step, "down", piece)
                self.client.sendall(piece)
                self.step.passed["down"] += len(piece)
        except (Cut, OSError):
            with contextlib.suppress(OSError):
                self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
