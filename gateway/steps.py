"""What an answer waits for, told and not done: whoever takes the steps decides how. One thread takes those of very many
callers (`serving`); where a step may take long, a thread takes all that is left of one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

from serving import stepped

T = TypeVar("T")
Command = tuple[bytes | str | int, ...]
Commands = tuple[Command, ...]  # to Redis, sent together; what comes back is their answers, in order
Steps = Generator[Commands, list[Any], T]
Ask = Callable[..., list[Any]]

MAY_TAKE_LONG: Final[Commands] = ()  # asks for nothing: from here on a database may be waited for
UNPROVEN: Final[Commands] = stepped.UNPROVEN  # asks for nothing: from here on a signature is checked, and no more


def finish(steps: Steps[T], ask: Ask, wanted: Commands | None = None) -> T:
    """To their end, in this thread. `wanted`: what they have asked for already; None where they have not begun."""
    try:
        if wanted is None:
            wanted = next(steps)
        while True:
            try:
                answers = ask(*wanted) if wanted else []
            except Exception as away:
                wanted = steps.throw(away)
            else:
                wanted = steps.send(answers)
    except StopIteration as end:
        said: T = end.value
        return said
