"""Which kinds of hotline take which category, the first one first."""

from __future__ import annotations

from collections.abc import Mapping

_CHILD = ("child_helpline", "women_family", "police", "regional")
_ONLINE = ("child_helpline", "internet_hotline", "women_family", "police", "regional")

ORDER: Mapping[str, tuple[str, ...]] = {
    "harm": _CHILD,
    "luring": _ONLINE,
    "images": ("internet_hotline", "child_helpline", "police", "regional"),
    "missing": ("missing_children", "child_helpline", "police", "regional"),
    "exploitation": ("child_helpline", "police", "women_family", "regional"),
    "bullying": _ONLINE,
    "self_harm": _CHILD,
    "neglect": _CHILD,
    "other": _CHILD,
}
