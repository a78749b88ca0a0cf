"""A TCP proxy between two parts, which delays, stalls, cuts and loses what passes: the network on a bad day.

    proxy = Proxy(postgres.port).start()     # or a path: a server on a unix socket
    proxy.stall()                            # nothing passes any more, and nobody is told
    proxy.resume()

Every toxic holds for connections there are and those to come, until `resume()`; `reset()` cuts the ones there are.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHUNK = 65536
SENT, REPLIED = "sent", "replied"  # from the client; from the server


class Proxy:
    """Listens on `port` of the loopback, and passes on to `target` there."""

    def __init__(self, target: int | Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._watches: list[_Watch] = []
        self._is_down = False
        self._stopped = False
        self.passes = {SENT: threading.Event(), REPLIED: threading.Event()}
        self.connections = 0  # ever accepted
        self.resume()

    def start(self) -> Proxy:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def stop(self) -> None:
        self._stopped = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    # Toxics

    def stall(self) -> None:
        """Connections are taken and stay open; not a byte passes either way."""
        for passes in self.passes.values():
            passes.clear()

    def stall_replies(self) -> None:
        """What is asked arrives and is done; what is answered does not come back."""
        self.passes[REPLIED].clear()

    def latency(self, seconds: float) -> None:
        """Each piece comes later by so much, in both directions."""
        self.delay = seconds

    def slice(self, size: int, seconds: float) -> None:
        """Drips: so many bytes at a time, and so long between them."""
        self.piece, self.pause = size, seconds

    def limit(self, size: int) -> None:
        """Each connection is cut once so many bytes have come back over it."""
        self.most = size

    def down(self) -> None:
        """As if nobody listened: what there is is cut, what comes is cut at once."""
        self._is_down = True
        self.reset()

    def resume(self) -> None:
        """All is well again; what was held passes now."""
        self.delay, self.piece, self.pause, self.most = 0.0, CHUNK, 0.0, 0
        self._is_down = False
        self._watches = []
        for passes in self.passes.values():
            passes.set()

    def reset(self) -> None:
        """Cut the connections there are, without a goodbye (RST)."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.cut()

    # Aimed ones: `do` is called once, before the bytes with the pattern pass

    def when_sent(self, pattern: bytes, do: Callable[[], object]) -> None:
        self._watches.append(_Watch(SENT, pattern, do))

    def when_replied(self, pattern: bytes, do: Callable[[], object]) -> None:
        self._watches.append(_Watch(REPLIED, pattern, do))

    def drop_replies_after(self, pattern: bytes) -> None:
        """What is sent with the pattern arrives and is done; no answer comes back from then on."""
        self.when_sent(pattern, self.stall_replies)

    def reset_after(self, pattern: bytes) -> None:
        """What is sent with the pattern arrives and is done; the line is cut when the answer comes."""
        self.when_sent(pattern, lambda: self.when_replied(b"", self.reset))

    # Within

    def _accept(self) -> None:
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._is_down:
                _cut(client)
                continue
            threading.Thread(target=self._serve, args=(client,), name="proxy-line", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            _cut(client)
            return
        pair = _Pair(client, server)
        with self._lock:
            self._pairs.add(pair)
        back = threading.Thread(target=self._pass_on, args=(pair, REPLIED), name="proxy-line", daemon=True)
        back.start()
        self._pass_on(pair, SENT)
        back.join()
        pair.close()
        with self._lock:
            self._pairs.discard(pair)

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target), timeout=None)
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        return server

    def _pass_on(self, pair: _Pair, way: str) -> None:
        source, sink = (pair.client, pair.server) if way == SENT else (pair.server, pair.client)
        passed, tail = 0, b""
        try:
            while data := source.recv(CHUNK):
                tail = self._look(way, tail, data)
                passed += len(data)
                self._hold(pair, way)
                for start in range(0, len(data), self.piece):
                    sink.sendall(data[start : start + self.piece])
                    time.sleep(self.pause)
                if way == REPLIED and self.most and passed >= self.most:
                    pair.cut()
                    return
            self._hold(pair, way)  # a goodbye is held up as well
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end was killed, which resets the line: so is the other
            pair.cut()

    def _hold(self, pair: _Pair, way: str) -> None:
        time.sleep(self.delay)
        while not (self.passes[way].wait(0.05) or pair.is_cut or self._stopped):
            pass
        if pair.is_cut:
            raise OSError("cut")

    def _look(self, way: str, tail: bytes, data: bytes) -> bytes:
        """Calls what waits for a pattern that is in here, also where it came in two pieces; returns the new tail."""
        for watch in list(self._watches):
            if watch.way == way and watch.pattern in tail[len(tail) + 1 - len(watch.pattern) :] + data and watch.once():
                self._watches.remove(watch)
                watch.do()
        return (tail + data)[-64:]


class _Watch:
    def __init__(self, way: str, pattern: bytes, do: Callable[[], object]) -> None:
        self.way, self.pattern, self.do = way, pattern, do
        self._first = threading.Lock()

    def once(self) -> bool:
        return self._first.acquire(blocking=False)


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True
        for line in (self.client, self.server):
            with suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                line.shutdown(socket.SHUT_RD)  # wakes whoever reads from it; `close` sends the RST

    def close(self) -> None:
        for line in (self.client, self.server):
            line.close()


def _cut(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()
