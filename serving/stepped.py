"""An application that tells what its answers wait for, step by step: one thread then answers very many callers.

`steps` yield what is to be asked of a neighbour over the network; nothing where what follows may take long.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final, Protocol

from serving.answering import Said

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Steps = Generator[Any, Any, Said]


class _Unproven(tuple[Any, ...]):
    """Asks for nothing, as an empty tuple does."""


UNPROVEN: Final[tuple[Any, ...]] = _Unproven()  # yielded before the work of checking a signature
Heard = tuple[Any, Any, Any]  # who asked, what, and the answers; None: a thread has to ask


class Exchange(Protocol):
    """With the neighbour, for one thread that waits for nobody."""

    @property
    def number(self) -> int:
        """The file that it is heard by."""
        ...

    @property
    def waits(self) -> bool:
        """Whether somebody waits for an answer."""
        ...

    def start(self, watch: Callable[[int], None]) -> None: ...

    def ask(self, wanted: Any, asker: Any) -> bool:
        """False where a thread has to ask."""
        ...

    def flush(self) -> list[Heard]:
        """Sends what was asked since the last time; gives back whoever got no answer in time."""
        ...

    def hear(self) -> list[Heard]: ...


class Stepped(Protocol):
    exchange: Exchange

    def body_limit(self, environ: WSGIEnvironment) -> int:
        """Return how many bytes of the body are wanted, judged by the head alone; 0 to refuse it unread."""
        ...

    def steps(self, environ: WSGIEnvironment) -> Steps | None:
        """None for a request that is to be asked as WSGI has it."""
        ...

    def finish(self, steps: Steps, wanted: Any) -> Said:
        """In a thread, from `wanted` to their end."""
        ...
