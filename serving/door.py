"""Where lines come in. While there is no room, or another process is to go first, they wait in the kernel."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

from serving.shares import Share

PATIENCE: Final = 0.05  # seconds that others are waited for
MOMENT: Final = 0.002


class Door:
    """The sockets that listen, watched by `epoll` while it is open."""

    def __init__(self, listeners: Sequence[socket.socket], epoll: select.epoll, share: Share) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._epoll = epoll
        self._share = share
        self._lock = threading.Lock()
        self._is_open = False
        self._is_gone = False
        for listener in listeners:
            listener.setblocking(False)

    def __contains__(self, number: int) -> bool:
        return number in self._listeners

    def open(self) -> None:
        with self._lock:
            if self._is_open or self._is_gone:
                return
            self._is_open = True
            for number in self._listeners:
                self._epoll.register(number, select.EPOLLIN | select.EPOLLEXCLUSIVE)  # wakes one process, not all

    def shut(self) -> None:
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            for number in self._listeners:
                self._epoll.unregister(number)

    def leave(self) -> None:
        """Lets go of the port."""
        self._is_gone = True
        self.shut()
        for listener in self._listeners.values():
            listener.close()

    def take(self, number: int) -> tuple[socket.socket, str] | None:
        """A line that waited, and the address it comes from; None where there is none any more."""
        try:
            connection, address = self._listeners[number].accept()
        except BlockingIOError:
            return None  # another thread or process was faster
        except OSError:
            self.shut()  # no file is free: asked again and again, it would be refused again and again
            return None
        connection.setblocking(False)
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address[0] if address else ""

    def give_way(self) -> None:
        """The kernel wakes whoever asked first: of a thousand lines at once one process would hold nearly all, and one
        core would answer everybody. So whoever holds more lets the others go first, for a moment.
        """
        self.shut()
        until = time.monotonic() + PATIENCE
        while self._share.is_ahead and time.monotonic() < until:
            time.sleep(MOMENT)
        self.open()
