"""A plain file server in front of an MLflow: artifacts come from the disk by sendfile, ranges and all; every other call goes
on to MLflow. It counts what it sends of files, and can call somebody at some byte."""

from __future__ import annotations

import http.client
import threading
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
PIECE_BYTES = 1 << 20
UPSTREAM_DEADLINE_S = 300


class FileServer:
    """Serves `root` until it is closed; a context manager."""

    def __init__(self, upstream: str, root: Path):
        self.upstream, self.root = urllib.parse.urlsplit(upstream).netloc, root
        self.sent = 0
        self.lock = threading.Lock()
        self.limit: int | None = None
        self.at_limit: Callable[[], None] = lambda: None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                """Silence: the count is what counts."""

            def do_GET(self) -> None:
                path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
                if path.startswith(ARTIFACTS):
                    server.send_file(self, server.root / path.removeprefix(ARTIFACTS))
                else:
                    server.forward(self)

            def do_POST(self) -> None:
                server.forward(self)

            do_PUT = do_PATCH = do_DELETE = do_POST

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self) -> FileServer:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def call_at(self, limit: int, action: Callable[[], None]) -> None:
        """Calls `action` once when so many bytes have been sent from now on."""
        with self.lock:
            self.sent, self.limit, self.at_limit = 0, limit, action

    def count(self, sent: int) -> None:
        with self.lock:
            self.sent += sent
            due = self.limit is not None and self.sent >= self.limit
            if due:
                self.limit = None
        if due:
            self.at_limit()

    def send_file(self, request: BaseHTTPRequestHandler, path: Path) -> None:
        """RFC 9110: one range, `If-Range`, a strong tag of size and time."""
        try:
            file = path.open("rb")
        except OSError:
            request.send_error(404)
            return
        with file:
            status = path.stat()
            tag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
            first, last = 0, status.st_size - 1
            wanted = request.headers.get("Range", "")
            is_part = wanted.startswith("bytes=") and request.headers.get("If-Range", tag) == tag
            if is_part:
                begin, _, end = wanted.removeprefix("bytes=").partition("-")
                first, last = int(begin), min(int(end or last), last)
            request.send_response(206 if is_part else 200)
            request.send_header("Accept-Ranges", "bytes")
            request.send_header("ETag", tag)
            if is_part:
                request.send_header("Content-Range", f"bytes {first}-{last}/{status.st_size}")
            request.send_header("Content-Length", str(last - first + 1))
            request.end_headers()
            request.wfile.flush()
            place = first
            try:
                while place <= last:
                    sent = request.connection.sendfile(file, place, min(PIECE_BYTES, last - place + 1))
                    if not sent:
                        break
                    place += sent
                    self.count(sent)
            except OSError:
                request.close_connection = True

    def forward(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length", 0))
        body = request.rfile.read(length) if length else None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in {"host", "connection"}}
        upstream = http.client.HTTPConnection(self.upstream, timeout=UPSTREAM_DEADLINE_S)
        try:
            upstream.request(request.command, request.path, body, headers)
            answer = upstream.getresponse()
            text = answer.read()
        finally:
            upstream.close()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)
