"""Decide which screens are refused while too many requests are under way. Pure."""

from __future__ import annotations

ALWAYS_SERVED = frozenset({"home", "report", "more", "contact_request"})  # flows
TO_READ = ("tips", "law")  # prefixes of the flows that only inform
MAX_SCREENS_READ = 60  # tips and law screens in 10 minutes by one reporter: more than a person reads


def can_wait(screen: str) -> bool:
    """Return whether a screen may be refused under load.

    Never refused: the way to Send, what a child in danger needs, and words after Send.
    """
    return screen.partition(".")[0] not in ALWAYS_SERVED


def acts_at_once(screen: str) -> bool:
    """Return whether a screen belongs to My report: by SMS its turns take effect before a notice could be shown."""
    return screen.startswith("my.")


def is_to_read(screen: str) -> bool:
    """Return whether a screen is a tip or the law: the only ones that are rate limited (S-36)."""
    return screen.startswith(TO_READ)
