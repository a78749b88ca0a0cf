"""The reporter's own words: the narrative, the words that came later, and where the report holds each text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.facts import EXTRA_QUESTIONS, GivenAnswer, answers_in_force
from reports.json_bodies import as_typed, rfc3339


@dataclass(frozen=True, slots=True)
class UnaskedText:
    """Words that were sent where a choice was asked for. `at`: Unix seconds."""

    at: int
    screen: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportTexts:
    """The texts of a report.

    `narrative_index`: index of the answer that is the narrative; None if there is no narrative, or if the first words
    of an SMS are the narrative. `additions`: indices of the answers that add words.
    """

    narrative: str | None
    narrative_index: int | None
    additions: tuple[int, ...]
    unasked: tuple[UnaskedText, ...]


def collect_texts(
    given: Sequence[GivenAnswer], first_words: str | None, unasked: Sequence[UnaskedText], created_at: int
) -> ReportTexts:
    """Sort the texts of a report.

    The narrative is the words in force, else words typed before (in an earlier draft), else the first words of an SMS.
    First words that are not the narrative are listed with the unasked words.
    """
    narrative_indexes = [
        n for n, answer in enumerate(given) if answer.question == "narrative" and answer.value is not None
    ]
    on_path = [n for n in narrative_indexes if given[n].counts]
    narrative_at = (on_path or narrative_indexes)[-1] if narrative_indexes else None
    unasked_texts = tuple(unasked)
    if first_words is not None and narrative_at is not None:
        unasked_texts = (UnaskedText(created_at, "home", first_words), *unasked_texts)
    narrative = first_words if narrative_at is None else given[narrative_at].value
    additions = tuple(n for n, answer in enumerate(given) if answer.question == "addition" and answer.value is not None)
    return ReportTexts(narrative, narrative_at, additions, unasked_texts)


def answer_rows(given: Sequence[GivenAnswer], words: ReportTexts) -> list[dict[str, Any]]:
    """Return every answer, changed and skipped ones too.

    A text that is elsewhere in the report is replaced by a `ref` to that place.
    """
    rows = []
    for n, answer in enumerate(given):
        row: dict[str, Any] = {"n": n + 1, "screen": answer.screen, "question": answer.question}
        if ref := _ref(n, given, words):
            row["ref"] = ref
        else:
            row["value"] = answer.value if answer.value is None else as_typed(answer.value)
        rows.append({**row, "at": rfc3339(answer.at)})
    return rows


def _ref(n: int, answers: Sequence[GivenAnswer], texts: ReportTexts) -> str | None:
    """Return a JSON Pointer (RFC 6901) to the text of this answer, if the text is elsewhere in the report."""
    answer = answers[n]
    if n == texts.narrative_index:
        return "/narrative"
    if n in texts.additions:
        return f"/additions/{texts.additions.index(n)}/text"
    if (
        answer.typed
        and answer.question in EXTRA_QUESTIONS
        and answer.value is not None
        and n == _index_in_force(answer.question, answers)
    ):
        return f"/extras/{answer.question}"
    return None


def _index_in_force(question: str, answers: Sequence[GivenAnswer]) -> int:
    """Return the index of the answer whose text is the value in force."""
    value = answers_in_force(answers).get(question)
    return max(n for n, answer in enumerate(answers) if answer.question == question and answer.value == value)


# A link is one run of non-blank characters. No run is tried twice, so the time is linear in the length of the text.
LINK_PATTERN = re.compile(r"(?i)\b(?:https?://|www\.)\S+")


def links_in(texts: Iterable[str | None]) -> list[str]:
    """Return the web addresses in the texts, each once, written so that no program makes links of them."""
    links = (link.rstrip(".,;:!?)]}>\"'") for text in texts if text for link in LINK_PATTERN.findall(as_typed(text)))
    return list(dict.fromkeys(defang(link) for link in links))


def defang(link: str) -> str:
    """Return a web address, written so that no program makes a link of it."""
    scheme, slashes, rest = link.partition("://")
    if slashes:
        return f"{scheme.lower().replace('http', 'hxxp')}[:]//{rest}"
    return link.replace(".", "[.]", 1)


def extras_as_typed(extras: Mapping[str, str]) -> dict[str, str]:
    """Return the extra answers, with their texts as typed."""
    return {key: as_typed(value) for key, value in extras.items()}
