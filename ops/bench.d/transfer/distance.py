"""A server that is not next door: what goes to it and comes from it arrives later, in order and as fast as before."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from urllib.parse import urlsplit

PIECE_BYTES = 1 << 18
# What is under way in one direction of one connection; more has to wait, as on a wire.
PIECES_MAX = 256


class Distance:
    """In front of one server; its address is in `url`. Both ways together take `seconds` longer."""

    def __init__(self, upstream: str, seconds: float):
        self.upstream = urlsplit(upstream)
        self.seconds = seconds / 2
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        server = asyncio.run_coroutine_threadsafe(self.listen(), self.loop).result()
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_server(self.accept, "127.0.0.1", 0)

    async def accept(self, near: asyncio.StreamReader, near_back: asyncio.StreamWriter) -> None:
        far, far_back = await asyncio.open_connection(self.upstream.hostname, self.upstream.port)
        await asyncio.gather(self.carry(near, far_back), self.carry(far, near_back))

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_MAX)
        deliver = asyncio.ensure_future(self.deliver(under_way, sink))
        piece = b" "
        while piece:
            try:
                piece = await source.read(PIECE_BYTES)
            except ConnectionError:
                piece = b""
            await under_way.put((self.loop.time() + self.seconds, piece))
        await deliver

    async def deliver(self, under_way: asyncio.Queue, sink: asyncio.StreamWriter) -> None:
        """An empty piece is the end."""
        with contextlib.suppress(ConnectionError):
            while True:
                due, piece = await under_way.get()
                await asyncio.sleep(due - self.loop.time())
                if not piece:
                    break
                sink.write(piece)
                await sink.drain()
        sink.close()
        # The other end may send on; nobody hears it.
        while piece:
            _, piece = await under_way.get()
