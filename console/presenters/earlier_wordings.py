"""The words that the phones' screens showed before, for reports that were made with them. Pure.

A report names the version of the flow `report`. This module has each wording that has changed since, with the last
version that showed it. Questions and labels that a later version changes are added, never removed while such reports
are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Screen → last version, its words then
QUESTIONS: Final[Mapping[str, tuple[int, str]]] = {
    "report.contact": (2, "May staff contact you on this phone? Only if nobody else sees it."),
    "report.place": (2, "Where is the child?"),
    "report.who_else": (2, "Who may get it if one does not answer. Type a number to leave that one out."),
    "report.words_missing": (2, "Who, where and when last seen, what clothes? Call … too: do not wait."),
    "more.narrative": (3, "Tell us in your own words, a few at a time. No names needed. Please do not send photos."),
    "more.narrative_missing": (3, "Who is missing? What clothes do they wear? Call … too: do not wait."),
    "more.harm_kind": (2, "What was it?"),
    "more.payment_seen": (2, "Was money asked or paid? Please type no numbers."),
    "more.last_seen": (2, "When was the child last seen?"),
    "more.last_place": (2, "Type the place where the child was last seen."),
    "more.with_whom": (2, "Is the child with someone?"),
}
# Question and value → last version, the label then
LABELS: Final[Mapping[tuple[str, str], tuple[int, str]]] = {
    ("danger", "soon"): (2, "Soon"),
    ("category", "harm"): (2, "Hurt, bad touch"),
    ("category", "self_harm"): (2, "Wanting to die, self-harm"),
    ("category", "exploitation"): (2, "Forced or sold"),
    ("send", "avoid"): (2, "Who else"),
    ("harm_kind", "touch"): (2, "Bad touch"),
    ("exploit_kind", "sexual"): (2, "Used by adults"),
    ("platform", "other"): (2, "Other"),
    ("bully_where", "other"): (2, "Other"),
}
# No catalogue has these texts any more: a page in another language shows them in English.
EARLIER_TEXTS: Final = frozenset(text for _, text in (*QUESTIONS.values(), *LABELS.values()))


def question_then(screen: str, version: int | None) -> str:
    """Return the words of a screen in this version of the flow; empty if they are those of today."""
    return _then(QUESTIONS.get(screen), version)


def label_then(question: str, value: str, version: int | None) -> str:
    """Return the label of an answer in this version of the flow; empty if it is that of today."""
    return _then(LABELS.get((question, value)), version)


def _then(entry: tuple[int, str] | None, version: int | None) -> str:
    return entry[1] if entry and version is not None and version <= entry[0] else ""
