"""Words come back as typed, are stored once, and contain links only where links are allowed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from reports.narrative import links_in
from reports.report import UnaskedText, build_report, to_json
from tests.reports.sample import NOW, PATH_TO_SEND, SEND, VU, given, setting
from tests.reports.schema_check import body, pointed

TYPED = [
    "plain words",
    "  leading and trailing blanks  ",
    "1 ",
    "\N{RIGHT-TO-LEFT MARK}\N{RIGHT-TO-LEFT OVERRIDE}mixed",
    "tears \U0001f622 and a family \U0001f468\u200d\U0001f469\u200d\U0001f467",
    'quotes " and \\ and / and {"a": 1}',
    "line\nline\r\nline\ttab \x07\x1b \x7f",
    "4111 1111 1111 1111",
    "a lone \ud83d surrogate and \udc00 another",
    "*1*2*3#",
    "</script> %s {0} $x",
    "x" * 4000,
    "ʻokina and ā and अ and 爱",
]


@pytest.mark.parametrize("text", TYPED)
@pytest.mark.parametrize("where", ["narrative", "additions/0/text", "extras/where_online", "unasked/0/text"])
def test_typed_text_comes_back_and_stands_once(text: str, where: str) -> None:
    screens = {
        "narrative": "report.words",
        "additions/0/text": "more.words",
        "extras/where_online": "more.where_online",
    }
    typed = given((screens[where], text)) if where in screens else []
    rows = [*given(*PATH_TO_SEND, SEND), *typed]
    made = setting(rows, unasked=() if typed else (UnaskedText(NOW, "report.danger", text),))
    raw = to_json(build_report(rows, made), "vu-pikinini")
    assert pointed(body(rows, made), "/" + where) == text
    strings = [value for value in all_strings(json.loads(raw)) if value == text]
    assert len(strings) == 1


def all_strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in parts for text in all_strings(part)]


def test_nul_alone_is_replaced() -> None:
    rows = given(*PATH_TO_SEND, ("report.words", "a\0b"), SEND)
    assert body(rows, setting(rows))["narrative"] == "a\N{REPLACEMENT CHARACTER}b"


@for_all(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back(text: str) -> None:
    rows = given(*PATH_TO_SEND, ("report.words", text), SEND)
    assert body(rows, setting(rows))["narrative"] == text


@for_all(
    st.lists(
        st.tuples(
            st.sampled_from(["report.danger", "report.about", "more.threat", "more.last_place", "report.words"]),
            st.none() | st.sampled_from(["now", "me", "yes", "by the sea"]),
            st.booleans(),
        ),
        max_size=12,
    )
)
@settings(max_examples=200, deadline=None)
def test_answers_with_their_refs_are_all_answers_given(drafts: list[tuple[str, str | None, bool]]) -> None:
    rows = [g for screen, value, counts in drafts for g in given((screen, value), counts=counts)]
    rows += given(("report.danger", "no"), ("report.category", "other"), SEND)
    raw = json.loads(to_json(build_report(rows, setting(rows)), "vu-pikinini"))
    told = [pointed(raw, row["ref"]) if "ref" in row else row["value"] for row in raw["answers"]]
    assert told == [g.value for g in rows]


def with_links(wanted: bool) -> Any:
    hotline = VU.hotlines["vu-pikinini"]
    return replace(VU, hotlines={**VU.hotlines, hotline.id: replace(hotline, wants_links=wanted)})


def test_links_go_only_to_a_hotline_that_wants_them_and_nothing_else_differs() -> None:
    rows = given(
        *PATH_TO_SEND,
        ("report.words", "See HTTPS://example.org/a?b=1, and www.example.com/x."),
        SEND,
        ("more.where_online", "http://example.net/page"),
    )
    country = with_links(True)
    made = setting(rows, country=country)
    wants, wants_not = body(rows, made), body(rows, made, "vu-womens-centre")
    assert wants["attachments"].pop("links") == [
        "hxxps[:]//example.org/a?b=1",
        "www[.]example.com/x",
        "hxxp[:]//example.net/page",
    ]
    assert wants_not["attachments"].pop("links") == []
    assert wants == wants_not


def test_attachments_are_counted_and_named_by_kind_only() -> None:
    rows = given(*PATH_TO_SEND, SEND)
    found = body(rows, setting(rows, attachments=2, attachment_types=("image", "other")))
    assert found["attachments"] == {"count": 2, "types": ["image", "other"], "links": []}


@pytest.mark.parametrize("text", ["http://" * 40_000, "www." * 70_000, "http" * 70_000, "a." * 140_000])
def test_looking_for_links_reads_a_text_once(text: str) -> None:
    """A regular expression with backtracking would take minutes here."""
    assert len(links_in([text])) <= 1
