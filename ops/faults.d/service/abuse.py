"""ops/faults abuse: clients that drip, flood, never read, send what is far too large or too deep; and SIGKILL under load.

usage: abuse.py PROGRAM DIRECTORY CLUSTER_DIRECTORY [--short] [--seed N]

While each goes on somebody else asks as people do, and is answered. At the end of each the service has to be ready, with its memory
within bounds. Killed under load, it comes back, and every event that was acknowledged is in the log once.
"""

from __future__ import annotations

import argparse
import http.client
import random
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from database import Cluster
from service import DEADLINE_S, TYPE, Service, bearer, close, until
from wire import Connection

MIB = 1_048_576
MEMORY_MAX = 600 * MIB
# What somebody waits for a page at most while others abuse the service, in seconds; far above what it takes on a busy machine.
PATIENCE_S = 10
KILLS, KILLS_SHORT = 20, 3
WRITERS = 8
# After so long the service closes a connection on which nothing comes, in seconds.
IDLE_S = 60


class Abuse:
    def __init__(self, service: Service, short: bool, seed: int):
        self.service, self.short, self.random = service, short, random.Random(seed)
        self.figures: list[dict] = []
        self.token = service.token("events:append", "events:read", "catalog")

    def connect(self) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self.service.port), DEADLINE_S)
        one.settimeout(DEADLINE_S * 2)
        return one

    def figure(self, name: str, tried: int, survived: int, **more) -> None:
        self.figures.append({"name": name, "tried": tried, "survived": survived, **more})
        print(f"{name}: {survived} of {tried} {more or ''}", flush=True)

    def others_are_answered(self, count: int = 20) -> int:
        """How many of some ordinary requests are answered in time."""
        answered = 0
        for _ in range(count):
            start = time.monotonic()
            answer = self.service.get("/models", Accept="text/html")
            answered += answer.status == 200 and time.monotonic() - start < PATIENCE_S
        return answered

    def slow_heads(self) -> None:
        """Connections that send a byte of their head now and then: each is closed, whatever it sends."""
        count = 50 if self.short else 1_000
        ones = [self.connect() for _ in range(count)]
        for one in ones:
            one.sendall(b"GET /models HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        answered = self.others_are_answered()
        end = time.monotonic() + 2 * IDLE_S + DEADLINE_S
        left = list(ones)
        while left and time.monotonic() < end:
            time.sleep(0.5)
            left = [one for one in left if drips(one, b"a")]
        self.figure("heads that never end", count, count - len(left))
        self.figure("others meanwhile", 20, answered)

    def slow_bodies(self) -> None:
        """Bodies that come byte by byte: of whoever may append, of strangers, and where nobody reads one."""
        count = 30 if self.short else 300
        announced = "Host: a\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n"
        heads = [f"POST /v1/workspaces/dev01/events HTTP/1.1\r\n{announced}Authorization: Bearer {self.token}\r\n\r\n",
                 f"POST /v1/workspaces/dev01/events HTTP/1.1\r\n{announced}\r\n", f"GET /models HTTP/1.1\r\n{announced}\r\n"]
        ones = [self.connect() for _ in range(count)]
        for number, one in enumerate(ones):
            one.sendall(heads[number % len(heads)].encode() + b"{")
        answered = self.others_are_answered()
        refused, end = 0, time.monotonic() + 60 + DEADLINE_S
        left = list(ones)
        while left and time.monotonic() < end:
            time.sleep(0.5)
            for one in list(left):
                if not drips(one, b" "):
                    left.remove(one)
                    refused += 1
        self.figure("bodies that never end", count, refused)
        self.figure("others meanwhile", 20, answered)

    def large_bodies(self) -> None:
        """A body of 1 GB: said so, refused at once; not said so, refused when there is too much of it."""
        head = f"POST /v1/workspaces/dev01/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer {self.token}\r\n"
        said, refused = [head + f"Content-Length: {1 << 30}\r\n\r\n", head + "Transfer-Encoding: chunked\r\n\r\n"], 0
        for number, text in enumerate(said):
            one = self.connect()
            one.sendall(text.encode())
            block = b" " * MIB
            chunk = f"{MIB:x}\r\n".encode() + block + b"\r\n"
            status = threading.Event()
            answers: list[bytes] = []
            reader = threading.Thread(target=lambda one=one, answers=answers, status=status: (answers.append(received(one) or b""), status.set()))
            reader.start()
            try:
                for _ in range(1_024):
                    if status.is_set():
                        break
                    one.sendall(block if number == 0 else chunk)
            except OSError:
                pass
            reader.join(DEADLINE_S)
            one.close()
            refused += bool(answers) and b" 413 " in answers[0][:40]
        self.figure("bodies of 1 GB", len(said), refused)

    def header_floods(self) -> None:
        tries = [b"GET /models HTTP/1.1\r\nHost: a\r\n" + b"".join(f"X-{n}: {n}\r\n".encode() for n in range(100_000)),
                 b"GET /models HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (16 * MIB),
                 b"GET /" + b"a" * (16 * MIB) + b" HTTP/1.1\r\nHost: a\r\n", b"\0" * MIB, b"\r\n" * MIB,
                 b"GET /models HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin HTTP/1.1\r\n\r\n",
                 b"GET /models HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
        ended = 0
        for text in tries:
            one = self.connect()
            try:
                one.sendall(text + b"\r\n\r\n")
            except OSError:
                pass
            answer = received(one)
            ended += answer == b"" or answer is not None and answer.startswith(b"HTTP/1.") and (b" 4" in answer[:13] or b" 5" in answer[:13])
            one.close()
        self.figure("heads that are no head", len(tries), ended)

    def deep_bodies(self) -> None:
        tries, refused = ["[" * 100_000, '{"a":' * 100_000, '{"data":' + "[" * 100_000 + "]" * 100_000 + "}", '{"events":[' + "{}," * 100_000 + "{}]}",
                          '{"a":' + "9" * MIB + "}", '{"a":"' + "\\u0000" * 100_000 + '"}', "\ufeff{}", "{" + ",".join(f'"{n}":1' for n in range(200_000)) + "}"], 0
        for text in tries:
            answer = self.service.send("POST", "/v1/workspaces/dev01/events", {"Content-Type": "application/json", **bearer(self.token)}, text.encode())
            refused += answer.status in (400, 422) and answer.headers["content-type"] == "application/problem+json"
        self.figure("bodies deep or wide", len(tries), refused)

    def unread(self) -> None:
        """Followers who ask for everything, again and again, and read nothing: others are answered, and they are let go."""
        count = 20 if self.short else 100
        # More than what lies between both ends holds: each is written to until it reads.
        block = [{"id": str(uuid.uuid4()), "stream": "blocks", "type": TYPE, "data": {"text": "x" * 900_000}} for _ in range(12)]
        for event in block:
            assert self.service.append("dev02", event, self.token).status == 201
        ones = [self.connect() for _ in range(count)]
        ask = f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode()
        for one in ones:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            one.sendall(ask)
        answered = self.others_are_answered()
        self.figure("others beside followers who do not read", 20, answered)
        # The other end gives them up: what they can still read ends before what they asked for.
        left, end = list(ones), time.monotonic() + IDLE_S + DEADLINE_S
        while left and time.monotonic() < end:
            time.sleep(1)
            left = [one for one in left if not is_reset(one)]
        self.figure("followers who do not read are let go", count, count - len(left))
        for one in ones:
            one.close()

    def killed(self) -> None:
        """SIGKILL while some append: what was acknowledged is there once, and the service comes back."""
        kills, owner = KILLS_SHORT if self.short else KILLS, Connection(self.service.conninfo)
        acknowledged: list[set[str]] = [set() for _ in range(WRITERS)]
        done = threading.Event()

        def write(mine: set[str]) -> None:
            while not done.is_set():
                event = {"id": str(uuid.uuid4()), "stream": f"load/{len(mine) % 7}", "type": TYPE, "data": {"n": len(mine)}}
                # Sent again until it is acknowledged: the id makes that harmless.
                while not done.is_set():
                    try:
                        if self.service.append("dev01", event, self.token).status in (200, 201):
                            mine.add(event["id"])
                            break
                    except (OSError, http.client.HTTPException):
                        time.sleep(0.01)

        writers = [threading.Thread(target=write, args=(mine,)) for mine in acknowledged]
        for writer in writers:
            writer.start()
        back = 0
        for _ in range(kills):
            wanted = sum(map(len, acknowledged)) + self.random.randint(20, 200)
            until(lambda wanted=wanted: sum(map(len, acknowledged)) >= wanted)
            self.service.kill()
            self.service.start()
            back += 1
        done.set()
        for writer in writers:
            writer.join()
        everything = set().union(*acknowledged)
        there = [row[0] for row in owner.run("select id from ledger.event where stream like 'load/%'")]
        self.figure("SIGKILL under load", kills, back)
        self.figure("acknowledged events there once", len(everything), len(everything & set(there)) if len(there) == len(set(there)) else 0)

    def is_well(self, after: str) -> None:
        memory, ready = self.service.memory(), self.service.get("/readyz").status == 200
        self.figure(f"ready after: {after.replace('_', ' ')}", 1, int(ready and memory < MEMORY_MAX), memory_mb=memory // MIB)

    def run(self) -> int:
        # Those who are slow are so for a minute, and the others come meanwhile.
        with ThreadPoolExecutor() as pool:
            slow = [pool.submit(abuse) for abuse in (self.slow_heads, self.slow_bodies, self.unread)]
            for abuse in (self.deep_bodies, self.header_floods, self.large_bodies):
                abuse()
                self.is_well(abuse.__name__)
            for one in slow:
                one.result()
        self.is_well("slow heads, slow bodies, followers who do not read")
        self.killed()
        for command in (("audit", "verify"), ("projections", "check")):
            self.service.run(*command)
        ended = self.service.stop()
        whole = ended == 0 and all(each["tried"] == each["survived"] for each in self.figures)
        self.figures.append({"name": "all", "tried": sum(each["tried"] for each in self.figures),
                             "survived": sum(each["survived"] for each in self.figures), "met": whole})
        close("abuse", self.figures)
        return 0 if whole else 1


def drips(one: socket.socket, byte: bytes) -> bool:
    """Sends a byte; false once the other end has closed. An answer is not enough."""
    try:
        one.sendall(byte)
        one.setblocking(False)
        try:
            while one.recv(4_096):
                pass
            return False
        except BlockingIOError:
            return True
        finally:
            one.settimeout(DEADLINE_S)
    except OSError:
        return False


def is_reset(one: socket.socket) -> bool:
    """Whether the other end has closed, of a connection from which nothing is read."""
    try:
        one.sendall(b" ")
        return False
    except OSError:
        return True


def received(one: socket.socket) -> bytes | None:
    """What comes until the other end closes, or has sent a head; None where it does neither."""
    text = b""
    try:
        while b"\r\n\r\n" not in text and (part := one.recv(65_536)):
            text += part
    except TimeoutError:
        return None
    except OSError:
        pass
    return text


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    service = Service(options.program, options.directory / "abuse", Cluster(options.cluster))
    service.start()
    return Abuse(service, options.short, options.seed).run()


if __name__ == "__main__":
    raise SystemExit(main())
