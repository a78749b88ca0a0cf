"""What gives way while so many requests are under way that not all can be answered. Pure."""

from __future__ import annotations

ALWAYS_SERVED = frozenset({"home", "report", "more"})  # flows
TO_READ = ("tips", "law")  # how the names of flows begin that only inform
MOST_READ = 60  # screens of them in 10 minutes, by one reporter: more than anybody reads


def can_wait(screen: str) -> bool:
    """Whether it gives way in a crowd: all but the way to Send, what a child in danger needs, and words after Send."""
    return screen.partition(".")[0] not in ALWAYS_SERVED


def has_begun(screen: str) -> bool:
    """Whether My report is open: by SMS what a step does there is done before anybody could be told that it is busy."""
    return screen.startswith("my.")


def is_to_read(screen: str) -> bool:
    """Whether it is a tip or the law: slowed for who asks for very many (S-36), and nothing else is."""
    return screen.startswith(TO_READ)
