"""Attachments of an SMS: pictures, sounds, any others. They are counted by kind and never downloaded.

The address stays in the sealed session, written so that no program makes it a link: having or passing on such material
may be a crime, for staff too.
"""

from __future__ import annotations

from collections.abc import Iterable

from reports.narrative import defang

KINDS = frozenset({"image", "video", "audio"})
MOST = 100  # of one session; more are counted as a hundred

Media = tuple[tuple[str, str], ...]  # kind, address


def noted(before: Media, come: Iterable[tuple[str, str]]) -> Media:
    """Add new attachments, given as content type and address from the provider."""
    return (*before, *((_kind(content_type), defang(address)) for content_type, address in come))[:MOST]


def kinds_of(media: Media) -> tuple[str, ...]:
    """Return each kind once, in order of arrival."""
    return tuple(dict.fromkeys(kind for kind, _ in media))


def _kind(content_type: str) -> str:
    kind = content_type.partition("/")[0].strip().lower()
    return kind if kind in KINDS else "other"
