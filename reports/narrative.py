"""The reporter's own words: which are the narrative, which came later, and where each stands in the report. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.facts import EXTRA_QUESTIONS, GivenAnswer, answers_in_force
from reports.json_bodies import as_typed, rfc3339


@dataclass(frozen=True, slots=True)
class UnaskedText:
    """Words sent where a choice was asked. `at`: unix seconds, UTC."""

    at: int
    screen: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportTexts:
    narrative: str | None
    narrative_index: int | None  # index of the answer that it is; None: it was the first words of an SMS, or nothing
    additions: tuple[int, ...]  # indices of the answers that they are
    unasked: tuple[UnaskedText, ...]


def collect_texts(
    given: Sequence[GivenAnswer], first_words: str | None, unasked: Sequence[UnaskedText], created_at: int
) -> ReportTexts:
    """The narrative: the words in force, else words typed before (an earlier draft), else the first words of an SMS.

    First words that are not the narrative stand with those that came unasked.
    """
    typed = [n for n, g in enumerate(given) if g.question == "narrative" and g.value is not None]
    walked = [n for n in typed if given[n].counts]
    narrative_at = (walked or typed)[-1] if typed else None
    others = tuple(unasked)
    if first_words is not None and narrative_at is not None:
        others = (UnaskedText(created_at, "home", first_words), *others)
    narrative = first_words if narrative_at is None else given[narrative_at].value
    additions = tuple(n for n, g in enumerate(given) if g.question == "addition" and g.value is not None)
    return ReportTexts(narrative, narrative_at, additions, others)


def answer_rows(given: Sequence[GivenAnswer], words: ReportTexts) -> list[dict[str, Any]]:
    """Every answer, changed and skipped ones too. A text that stands elsewhere in the report is a `ref` to there."""
    rows = []
    for n, g in enumerate(given):
        row: dict[str, Any] = {"n": n + 1, "screen": g.screen, "question": g.question}
        if ref := _ref(n, given, words):
            row["ref"] = ref
        else:
            row["value"] = g.value if g.value is None else as_typed(g.value)
        rows.append({**row, "at": rfc3339(g.at)})
    return rows


def _ref(n: int, given: Sequence[GivenAnswer], words: ReportTexts) -> str | None:
    """JSON Pointer (RFC 6901) to where the text of this answer stands, if it stands elsewhere."""
    g = given[n]
    if n == words.narrative_index:
        return "/narrative"
    if n in words.additions:
        return f"/additions/{words.additions.index(n)}/text"
    if g.typed and g.question in EXTRA_QUESTIONS and g.value is not None and n == _stands(g.question, given):
        return f"/extras/{g.question}"
    return None


def _stands(question: str, given: Sequence[GivenAnswer]) -> int:
    """The index of the answer whose text is the value in force."""
    value = answers_in_force(given).get(question)
    return max(n for n, g in enumerate(given) if g.question == question and g.value == value)


# One run of characters that are no blank, taken once: linear in the length of the text.
LINK_PATTERN = re.compile(r"(?i)\b(?:https?://|www\.)\S+")


def links_in(texts: Iterable[str | None]) -> list[str]:
    """The web addresses in the texts, each once, written so that no program makes a link of them."""
    found = (link.rstrip(".,;:!?)]}>\"'") for text in texts if text for link in LINK_PATTERN.findall(as_typed(text)))
    return list(dict.fromkeys(defang(link) for link in found))


def defang(link: str) -> str:
    scheme, slashes, rest = link.partition("://")
    if slashes:
        return f"{scheme.lower().replace('http', 'hxxp')}[:]//{rest}"
    return link.replace(".", "[.]", 1)


def extras_as_typed(extras: Mapping[str, str]) -> dict[str, str]:
    return {key: as_typed(value) for key, value in extras.items()}
