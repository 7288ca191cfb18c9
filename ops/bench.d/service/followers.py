"""ops/bench followers: ten thousand who follow and mostly wait, some who do not read, and one who looks how long it takes.

usage: followers.py PROGRAM DIRECTORY CLUSTER_DIRECTORY [--short]

Connections are made until so many follow from now on. Then single events are appended; given is how long it takes from the answer of the
append until one follower has the event, with nobody else, and with all of them, and until the last of all has it. Then some stop reading while
much is appended: the others get it as fast as before. A follower costs the service so much memory.
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
import statistics
import time
import uuid
from pathlib import Path

from database import Cluster
from service import TYPE, Service

FOLLOWERS, FOLLOWERS_SHORT = 10_000, 500
EVENTS = 30
SLOW = 100
BURST = 2_000
# Who does not read hurts nobody: an event takes at most twice as long as without them.
SLOW_RATIO_MIN = 0.5


class Follower:
    def __init__(self, port: int, token: str, buffer: int = 16_384):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(f"GET /v1/events?cursor=latest HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        self.socket.setblocking(False)
        self.events, self.rest, self.is_following = 0, b"", False

    def read(self) -> int:
        """How many events came."""
        before = self.events
        try:
            while part := self.socket.recv(65_536):
                text = self.rest + part
                self.is_following = self.is_following or b"retry: " in text
                self.events += text.count(b"\ndata: ")
                self.rest = text[-7:] if not text.endswith(b"\ndata: ") else b""
        except BlockingIOError:
            pass
        return self.events - before


class Crowd:
    def __init__(self, followers: list[Follower]):
        self.selector = selectors.DefaultSelector()
        self.followers = followers
        for follower in followers:
            self.selector.register(follower.socket, selectors.EVENT_READ, follower)

    def begun(self, seconds: float = 120) -> None:
        """Reads until all of them were told from where they follow."""
        missing = {id(follower) for follower in self.followers if not follower.is_following}
        end = time.perf_counter() + seconds
        while missing:
            for key, _ in self.selector.select(1):
                key.data.read()
                if key.data.is_following:
                    missing.discard(id(key.data))
            if time.perf_counter() > end:
                raise RuntimeError(f"{len(missing)} do not follow within {seconds} s")

    def until(self, events: int, one: Follower | None = None, seconds: float = 120) -> float | None:
        """Reads until all of them, or one, have so many events; when that was."""
        missing = {id(follower) for follower in ([one] if one else self.followers) if follower.events < events}
        end = time.perf_counter() + seconds
        while missing:
            for key, _ in self.selector.select(1):
                key.data.read()
                if key.data.events >= events:
                    missing.discard(id(key.data))
            if time.perf_counter() > end:
                raise RuntimeError(f"{len(missing)} followers did not get {events} events within {seconds} s")
        return time.perf_counter()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory", type=Path)
    parser.add_argument("cluster")
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    count = FOLLOWERS_SHORT if options.short else FOLLOWERS
    service = Service(options.program, options.directory / "followers", Cluster(options.cluster), connections_max=count + 1_000)
    token = service.token("events:append", "events:read")
    service.start()

    def append(events: int = 1) -> float:
        body = [{"id": str(uuid.uuid4()), "stream": "load", "type": TYPE, "data": {"n": n}} for n in range(events)]
        assert service.append("dev01", {"events": body}, token).status == 201
        return time.perf_counter()

    def waits(crowd: Crowd, one: Follower, everybody: bool) -> tuple[list[float], list[float]]:
        first, last = [], []
        for _ in range(EVENTS):
            wanted = one.events + 1
            start = append()
            first.append((crowd.until(wanted, one) - start) * 1_000)
            if everybody:
                last.append((crowd.until(wanted) - start) * 1_000)
        return first, last

    def joined(crowd: Crowd) -> None:
        """Everybody follows once everybody was told from where."""
        crowd.begun()
        append()
        crowd.until(1)
        for follower in crowd.followers:
            follower.events = 0

    one = Follower(service.port, token)
    alone = Crowd([one])
    joined(alone)
    by_itself, _ = waits(alone, one, False)
    before = service.memory()
    start = time.perf_counter()
    followers = [one] + [Follower(service.port, token) for _ in range(count - 1)]
    crowd = Crowd(followers)
    one.events = 0
    joined(crowd)
    print(f"  {count:,} follow after {time.perf_counter() - start:.1f} s", flush=True)
    among, last = waits(crowd, one, True)
    each = (service.memory() - before) / count
    slow = followers[1:1 + (SLOW if not options.short else 20)]
    rest = Crowd([follower for follower in followers if follower not in slow])
    held = one.events + BURST
    start = time.perf_counter()
    append(BURST)
    took = rest.until(held) - start
    beside, _ = waits(rest, one, False)
    alive = service.get("/readyz").status == 200
    print(f"  one by itself {statistics.median(by_itself):.1f} ms, among all {statistics.median(among):.1f} ms, the last of all {statistics.median(last):.1f} ms; "
          f"with {len(slow)} who do not read {statistics.median(beside):.1f} ms; {BURST} events to everybody else in {took:.1f} s; {each / 1024:.0f} KiB a follower", flush=True)
    ended = service.stop()
    figures = [
        {"name": f"append to event, among {count} followers, beside by itself", "ours": round(statistics.median(among), 2),
         "baseline": round(statistics.median(by_itself), 2), "unit": "ms", "ratio": round(statistics.median(by_itself) / statistics.median(among), 3),
         "goal": None, "met": alive and ended == 0},
        {"name": f"append to event, with {len(slow)} who do not read, beside without", "ours": round(statistics.median(beside), 2),
         "baseline": round(statistics.median(among), 2), "unit": "ms", "ratio": round(statistics.median(among) / statistics.median(beside), 3),
         "goal": SLOW_RATIO_MIN, "met": statistics.median(among) / statistics.median(beside) >= SLOW_RATIO_MIN},
        {"name": "memory of a follower", "ours": round(each), "baseline": 65_536, "unit": "bytes", "ratio": round(65_536 / max(each, 1), 2), "goal": None, "met": None},
    ]
    print(json.dumps({"bench": "followers", "figures": figures}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
