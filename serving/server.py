"""Answers what comes in on the lines. One thread reads them all and takes the steps of their answers; what may take
long is given to a thread of the crew.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from serving.answering import FAILED, Said, told, written
from serving.crew import READY, Crew
from serving.door import Door
from serving.held import Held
from serving.lines import KEPT, Line
from serving.reading import FIXED, NoRequest
from serving.shares import Share
from serving.stepped import UNPROVEN

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from serving.stepped import Exchange, Heard, Stepped, Steps

KEPT_AT_THE_END: Final = 2  # seconds; while we stop, what was on its way is still answered
SOON: Final = 0.05  # seconds; how exactly a neighbour's time is kept
LINES_AT_ONCE: Final = 4  # then what they ask is sent on, and a neighbour works on it meanwhile
ANSWERS_AT_ONCE: Final = 16  # after a pause of the neighbour very many are ready in one turn
REFUSALS: Final = ("403", "404")
ASLEEP: Final = 5  # seconds without a turn, of which there is one a second at least
ONE_EVENT: Final = select.EPOLLIN | select.EPOLLONESHOT  # told once, and not again until the answer is out


class Server:
    """`failed` is called with what the application raised, inside the handler; `refused` for what was no request.

    `share`: this process's, of the lines that all processes on these listeners hold. `app` may be `Stepped`."""

    def __init__(
        self,
        app: WSGIApplication,
        listeners: Sequence[socket.socket],
        *,
        threads: int,
        most_body: int,
        most_lines: int,
        share: Share,
        failed: Callable[[], None],
        refused: Callable[[], None],
    ) -> None:
        self._app = app
        self._stepped: Stepped | None = cast("Stepped", app) if hasattr(app, "steps") else None
        self._finish: Any = self._stepped and self._stepped.finish
        self._exchange: Exchange | None = self._stepped.exchange if self._stepped else None
        self._most_body = most_body
        self._body_limit: Callable[[WSGIEnvironment], int] | None = getattr(app, "body_limit", None)
        self._share = share
        self._failed = failed
        self._refused = refused
        self._held = Held(most_lines, share)
        self._epoll = select.epoll()
        self._door = Door(listeners, select.epoll(), share)
        self._crew = Crew(threads, failed=failed, ready=self._is_ready)
        self._provers = Crew(1, failed=failed, ready=lambda: None)
        self._stopping = False
        self._date = ""
        self._said: deque[tuple[Line, Callable[[], bool]]] = deque()  # in this turn
        self._turned_at = self._cuts_at = time.monotonic()

    def start(self) -> None:
        self.look()
        self._crew.start()
        self._provers.start()
        if self._exchange:
            self._exchange.start(lambda number: self._epoll.register(number, select.EPOLLIN))
        for begin, name in ((self._let_in, "door"), (self._serve, "serve")):
            threading.Thread(target=begin, name=name, daemon=True).start()

    def look(self) -> None:
        """Once a second: takes new lines again where there is room."""
        self._date = formatdate(usegmt=True)
        self._held.count()
        if self._held.has_room:
            self._door.open()

    def stop(self) -> None:
        """Lets go of the port. Lines that are kept open get one more answer at most."""
        self._stopping = True
        self._door.leave()
        self._held.hurry(KEPT_AT_THE_END)

    @property
    def is_awake(self) -> bool:
        """Whether the thread that answers everybody still turns."""
        return time.monotonic() - self._turned_at < ASLEEP

    @property
    def is_busy(self) -> bool:
        return self._held.is_any

    def _is_ready(self) -> None:
        if self._door.is_open:  # and it is not, where a line was refused for want of a file
            self._share.ready()

    # In the thread of the door

    def _let_in(self) -> None:
        while True:
            self._safely(lambda: self._door.let_in(self._begin, lambda: self._held.has_room))

    def _begin(self, connection: socket.socket, address: str) -> bool:
        """Whether another can be begun."""
        line = Line(connection, address, self._most_body, self._body_limit)
        self._held.add(line)
        try:
            self._epoll.register(line.number, ONE_EVENT)
        except OSError:  # as many are watched as one user may
            self._held.close(line)
            self._door.shut()
            return False
        return True

    # In the thread that reads

    def _serve(self) -> None:
        while True:
            self._turned_at = time.monotonic()
            if self._turned_at > self._cuts_at:
                self._safely(self._held.cut_late)
                self._cuts_at = self._turned_at + (SOON if self._stopping else READY)
            in_a_hurry = self._stopping or (self._exchange and self._exchange.waits)
            for number, _ in self._epoll.poll(timeout=SOON if in_a_hurry else READY, maxevents=LINES_AT_ONCE):
                self._safely(partial(self._attend, number))
            self._safely(self._flush)
            self._safely(self._answer)

    def _safely(self, act: Callable[[], None]) -> None:
        """Without these threads nobody would be answered. A panic in a library that is not Python is no Exception."""
        try:
            act()
        except BaseException:
            self._failed()

    def _attend(self, number: int) -> None:
        if self._exchange and number == self._exchange.number:
            self._go_on(self._exchange.hear())
        elif line := self._held.get(number):
            self._settled(line, partial(self._read, line))

    def _flush(self) -> None:
        """What was asked goes out; first whatever has come, for it may stand behind very many lines."""
        if self._exchange and self._exchange.waits:
            self._go_on(self._exchange.hear())
            self._go_on(self._exchange.flush())

    def _answer(self) -> None:
        """One behind the other: whom the first wakes is awake for the rest, and to be woken costs the most."""
        while self._said:
            self._settled(*self._said.popleft())

    def _go_on(self, heard: Iterable[Heard]) -> None:
        for (line, steps), wanted, answers in heard:
            if answers is None:
                self._put(line, partial(self._finish, steps, wanted))
            else:
                self._settled(line, partial(self._step, line, steps, answers))
            if len(self._said) >= ANSWERS_AT_ONCE:
                self._answer()

    def _read(self, line: Line) -> bool | None:
        """Whether the line stays open; None while its answer is on its way."""
        try:
            if not line.read():
                return True
        except NoRequest:
            self._refused()
            return line.refuse()
        environ = line.reading.environ(FIXED, line.address)
        if self._stepped and (steps := self._stepped.steps(environ)):
            return self._step(line, steps, None)
        self._put(line, partial(told, self._app, environ))
        return None

    def _step(self, line: Line, steps: Steps, answers: Any) -> bool | None:
        """To where it waits for somebody again."""
        try:
            wanted = steps.send(answers)
        except StopIteration as end:
            self._said.append((line, partial(self._say, line, end.value)))
            return None
        except BaseException:
            return self._fail(line)
        if wanted is UNPROVEN:
            self._provers.put(partial(self._settled, line, partial(self._proved, line, steps)))
            return None
        if not (wanted and self._exchange and self._exchange.ask(wanted, (line, steps))):
            self._put(line, partial(self._finish, steps, wanted))
        return None

    def _proved(self, line: Line, steps: Steps) -> bool | None:
        """Check who sent this, in a thread of its own: a flood of forgeries takes no thread from reports."""
        try:
            wanted = steps.send([])
        except StopIteration as end:
            return self._say(line, end.value, patient=True)
        except BaseException:
            return self._fail(line)
        self._put(line, partial(self._finish, steps, wanted))
        return None

    def _put(self, line: Line, ask: Callable[[], Said]) -> None:
        self._crew.put(partial(self._settled, line, partial(self._answered, line, ask)))

    # In a thread of the crew

    def _answered(self, line: Line, ask: Callable[[], Said]) -> bool:
        try:
            said = ask()
        except BaseException:
            return self._fail(line)
        return self._say(line, said, patient=True)

    # In any thread

    def _settled(self, line: Line, act: Callable[[], bool | None]) -> None:
        """Whatever comes of it, the line goes on or is closed."""
        try:
            stays = act()
            if stays:
                self._epoll.modify(line.number, ONE_EVENT)
        except OSError:
            stays = False  # the sender is gone
        except BaseException:
            self._failed()
            stays = False
        if stays is False:
            self._held.close(line)

    def _say(self, line: Line, said: Said, *, patient: bool = False) -> bool:
        """Whether the line stays open."""
        # A refusal ends the connection whether or not its body had come: the two must not look different.
        last = line.is_last or self._stopping or said[0].startswith(REFUSALS)
        try:
            data = written(said, self._date, last=last, is_head=line.reading.method == "HEAD")
        except Exception:
            return self._fail(line)
        return line.say(data, last=last, kept=KEPT_AT_THE_END if self._stopping else KEPT, patient=patient)

    def _fail(self, line: Line) -> bool:
        self._failed()
        return line.say(FAILED, last=True, kept=0, patient=False)
