"""A TCP proxy between two processes that delays, stalls, cuts and loses data, as a bad network does.

    proxy = Proxy(postgres.port).start()     # or the path of a server's unix socket
    proxy.stall()                            # no data passes any more, and no error is raised
    proxy.resume()

Each fault applies to open and new connections until `resume()`; `reset()` cuts only open ones.
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
    """A proxy that listens on `port` of the loopback and forwards to `target`: a port, or a unix socket's path."""

    def __init__(self, target: int | Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._pairs: set[_Pair] = set()
        self._triggers: list[_Trigger] = []
        self._is_down = False
        self._stopped = False
        self.passes = {SENT: threading.Event(), REPLIED: threading.Event()}
        self.connections = 0  # ever accepted
        self.round_trips = 0  # how often a client sent data first or after a reply
        self.resume()

    def start(self) -> Proxy:
        """Accept connections, in a thread."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening, and cut all connections."""
        self._stopped = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    # Faults

    def stall(self) -> None:
        """Accept connections and hold them open, but let no byte pass in either direction."""
        for passes in self.passes.values():
            passes.clear()

    def stall_replies(self) -> None:
        """Let requests pass, but hold back all replies."""
        self.passes[REPLIED].clear()

    def latency(self, seconds: float) -> None:
        """Delay each chunk by `seconds`, in both directions."""
        self.delay = seconds

    def slice(self, size: int, seconds: float) -> None:
        """Forward at most `size` bytes at a time, with a pause of `seconds` after each piece."""
        self.piece, self.pause = size, seconds

    def limit(self, size: int) -> None:
        """Cut each connection after `size` bytes of replies."""
        self.most = size

    def down(self) -> None:
        """Cut open connections, and each new one at once, as if nothing listened."""
        self._is_down = True
        self.reset()

    def resume(self) -> None:
        """End all faults; data that was held back is forwarded now."""
        self.delay, self.piece, self.pause, self.most = 0.0, CHUNK, 0.0, 0
        self._is_down = False
        self._triggers = []
        for passes in self.passes.values():
            passes.set()

    def reset(self) -> None:
        """Cut the open connections with RST."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.cut()

    # Triggers: `do` is called once, before the bytes with the pattern are forwarded

    def when_sent(self, pattern: bytes, do: Callable[[], object]) -> None:
        """Call `do` when the client sends the pattern."""
        self._triggers.append(_Trigger(SENT, pattern, do))

    def when_replied(self, pattern: bytes, do: Callable[[], object]) -> None:
        """Call `do` when the server replies with the pattern."""
        self._triggers.append(_Trigger(REPLIED, pattern, do))

    def drop_replies_after(self, pattern: bytes) -> None:
        """Forward the request with the pattern, and hold back all replies from then on."""
        self.when_sent(pattern, self.stall_replies)

    def reset_after(self, pattern: bytes) -> None:
        """Forward the request with the pattern, and cut the connections when its reply comes."""
        self.when_sent(pattern, lambda: self.when_replied(b"", self.reset))

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
        if self._stopped:  # since the connection was accepted; the stop did not know of it
            pair.cut()
        reply_thread = threading.Thread(target=self._forward, args=(pair, REPLIED), name="proxy-line", daemon=True)
        reply_thread.start()
        self._forward(pair, SENT)
        reply_thread.join()
        pair.close()
        with self._lock:
            self._pairs.discard(pair)

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target), timeout=None)
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        return server

    def _forward(self, pair: _Pair, direction: str) -> None:
        source, sink = (pair.client, pair.server) if direction == SENT else (pair.server, pair.client)
        passed, tail = 0, b""
        try:
            while data := source.recv(CHUNK):
                self.round_trips += pair.turns_to(direction)
                tail = self._run_triggers(direction, tail, data)
                passed += len(data)
                self._wait_to_pass(pair, direction)
                for start in range(0, len(data), self.piece):
                    sink.sendall(data[start : start + self.piece])
                    time.sleep(self.pause)
                if direction == REPLIED and self.most and passed >= self.most:
                    pair.cut()
                    return
            self._wait_to_pass(pair, direction)  # the end of the stream is held back as well
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end was killed, which resets its connection; reset the other one too
            pair.cut()

    def _wait_to_pass(self, pair: _Pair, direction: str) -> None:
        pair.wait(self.delay)
        while not (self.passes[direction].wait(0.05) or pair.is_cut or self._stopped):
            pass
        if pair.is_cut:
            raise OSError("cut")

    def _run_triggers(self, direction: str, tail: bytes, data: bytes) -> bytes:
        """Call the triggers whose pattern is in this data, also if it came in two chunks; return the new tail."""
        for trigger in list(self._triggers):
            if (
                trigger.way == direction
                and trigger.pattern in tail[len(tail) + 1 - len(trigger.pattern) :] + data
                and trigger.once()
            ):
                self._triggers.remove(trigger)
                trigger.do()
        return (tail + data)[-64:]


class _Trigger:
    def __init__(self, direction: str, pattern: bytes, do: Callable[[], object]) -> None:
        self.way, self.pattern, self.do = direction, pattern, do
        self._first = threading.Lock()

    def once(self) -> bool:
        return self._first.acquire(blocking=False)


class _Pair:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self._cut = threading.Event()
        self._last = REPLIED

    @property
    def is_cut(self) -> bool:
        return self._cut.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, unless the connections are cut meanwhile."""
        self._cut.wait(seconds)

    def turns_to(self, direction: str) -> bool:
        """Return whether the client begins to send after a reply."""
        has_turned = (self._last, direction) == (REPLIED, SENT)
        self._last = direction
        return has_turned

    def cut(self) -> None:
        self._cut.set()
        for connection in (self.client, self.server):
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it; `close` sends the RST

    def close(self) -> None:
        for connection in (self.client, self.server):
            connection.close()


def _cut(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
