"""What came beside an SMS: pictures, sounds, whatever. Counted and named by its kind; nobody fetches it.

Its address stays in the sealed conversation, written so that nothing makes a link of it: having or passing on such
material may be a crime, for staff too.
"""

from __future__ import annotations

from collections.abc import Iterable

from reports.narrative import defang

KINDS = frozenset({"image", "video", "audio"})
MOST = 100  # of one conversation; whoever sends more has sent a hundred

Media = tuple[tuple[str, str], ...]  # kind, address


def noted(before: Media, come: Iterable[tuple[str, str]]) -> Media:
    """With what came now: content types and addresses as the provider gives them."""
    return (*before, *((_kind(content_type), defang(address)) for content_type, address in come))[:MOST]


def kinds_of(media: Media) -> tuple[str, ...]:
    """Each kind once, in the order in which they came."""
    return tuple(dict.fromkeys(kind for kind, _ in media))


def _kind(content_type: str) -> str:
    kind = content_type.partition("/")[0].strip().lower()
    return kind if kind in KINDS else "other"
