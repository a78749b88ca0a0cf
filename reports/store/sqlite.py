"""SQLite has one writer. The threads of a process queue for it here, and a disk that hangs holds up no caller."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, Transaction

from reports.hands import Hands, NoHand, TooSlow

TURN_SECONDS = 0.5
PATIENT_SECONDS = 5.0
COMMIT_SECONDS = 1.0
LONG_QUEUE = 2  # threads of one process
MOST_HANDS = 4  # commits that hang in the disk


class Writer:
    """`patient`: nobody holds a phone meanwhile, so the disk may take as long as it does."""

    def __init__(self, engine: Engine, *, patient: bool) -> None:
        self._engine = engine
        self._patient = patient
        self._turn = threading.Lock()
        self._waiting: list[bool] = []  # a list, for appending to one and popping from it need no lock
        self._hands = Hands(MOST_HANDS)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction. Raises TooSlow where nobody knows what becomes of it, or it never began."""
        with self._in_turn():
            connection = self._engine.connect().execution_options(immediate=True)
            try:
                transaction = connection.begin()
                yield connection
            except BaseException:
                connection.close()  # which rolls back
                raise
            self._commit(connection, transaction)

    @property
    def has_a_queue(self) -> bool:
        """Whether so many wait that whoever can do without should not."""
        return len(self._waiting) >= LONG_QUEUE

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Who finds SQLite's lock taken asks again after a while: under load some threads would never get theirs."""
        self._waiting.append(True)
        try:
            if not self._turn.acquire(timeout=PATIENT_SECONDS if self._patient else TURN_SECONDS):
                raise TooSlow
        finally:
            self._waiting.pop()
        try:
            yield
        finally:
            self._turn.release()

    def _commit(self, connection: Connection, transaction: Transaction) -> None:
        def commit() -> None:
            try:
                transaction.commit()
            finally:
                connection.close()

        if self._patient:
            commit()
            return
        try:
            self._hands.within(COMMIT_SECONDS, commit)
        except NoHand:
            connection.close()  # or it would hold SQLite's lock until the garbage is collected
            raise
