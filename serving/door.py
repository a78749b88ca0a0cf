"""Where lines come in. While there is no room, or another process is to go first, they wait in the kernel."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from serving.shares import AHEAD, Share

PATIENCE: Final = 0.05  # seconds that others are waited for; a thread that answers nobody meanwhile
MOMENT: Final = 0.002  # seconds; others take a line in less
LOOKS: Final = 1  # second; the kernel wakes one process for a line and no other, even if that one dies or freezes then


class Door:
    """The sockets that listen, watched by `epoll` while it is open."""

    def __init__(self, listeners: Sequence[socket.socket], epoll: select.epoll, share: Share) -> None:
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._epoll = epoll
        self._share = share
        self._lock = threading.Lock()
        self._taking = threading.Lock()  # from a line's coming in until it is begun
        self._is_open = False
        self._is_gone = False
        self._in_vain = 0  # lines that may be taken, for nobody else took them
        for listener in listeners:
            listener.setblocking(False)

    @property
    def is_open(self) -> bool:
        return self._is_open

    def open(self) -> None:
        """Where the system watches no more for us it stays shut, and is tried again within a second."""
        with self._lock:
            if self._is_open or self._is_gone:
                return
            try:
                for number in self._listeners:
                    self._epoll.register(number, select.EPOLLIN | select.EPOLLEXCLUSIVE)  # wakes one process, not all
                self._is_open = True
            except OSError:
                self._unwatch()

    def shut(self) -> None:
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._unwatch()

    def _unwatch(self) -> None:
        for number in self._listeners:
            with suppress(OSError):  # it was not watched
                self._epoll.unregister(number)

    def leave(self) -> None:
        """Lets go of the port. Every line that came in is begun by then: who asks which there are misses none."""
        self._is_gone = True  # before `shut`: whoever gives way just now opens nothing after it
        with self._taking:
            self.shut()
            self._share.leave()  # after it: while the door is open, threads say that they are ready
            for listener in self._listeners.values():
                listener.close()

    def let_in(self, begin: Callable[[socket.socket, str], bool], has_room: Callable[[], bool]) -> None:
        """Waits for lines, and begins all of them, or as many as are this process's share. It may wait for other
        processes: for a thread that does nothing else. `begin`: whether another can be begun after it.
        """
        self._epoll.poll(timeout=LOOKS, maxevents=1)
        for number in self._listeners:
            while self._is_open and has_room():
                if not self._is_begun(number, begin) or self.give_way():
                    break
            else:
                self.shut()

    def _is_begun(self, number: int, begin: Callable[[socket.socket, str], bool]) -> bool:
        with self._taking:
            came = self.take(number)
            return bool(came and begin(*came))

    def take(self, number: int) -> tuple[socket.socket, str] | None:
        """A line that waited, and the address it comes from; None where there is none any more."""
        if self._is_gone:
            return None
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

    def give_way(self) -> bool:
        """Whether it did. The kernel wakes whoever asked first: of a thousand lines one process would hold nearly
        all, and one core would answer everybody. So whoever holds more lets the others go first, for a moment.
        """
        if self._in_vain:
            self._in_vain -= 1
            return False
        if not self._share.is_ahead:
            return False
        self.shut()
        until = time.monotonic() + PATIENCE
        while self._share.is_ahead and time.monotonic() < until:
            time.sleep(MOMENT)
        self._in_vain = AHEAD if self._share.is_ahead else 0
        self.open()
        return True
