"""Every text that a field takes is taken by the server, whatever its script."""

from __future__ import annotations

import re

import pytest

from console.app import MAX_BODY_BYTES
from tests.support.staff import Person

LETTERS = {"Amharic": "ሀ", "Arabic": "ب", "a letter of four bytes": "𞤀"}


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)
def test_the_longest_texts_in_any_script(mere: Person, report: str, letter: str) -> None:
    path = f"/reports/{report}"
    long = dict.fromkeys(("note", "done", "pass_note"), letter * 4000) | {"words": letter * 600}
    form = {**mere.get(path).marks, **long, "draft_of": report}
    assert mere.post(f"{path}/draft", form).status == 204
    assert mere.get(path).html.count(letter) >= 3 * 4000 + 600
    assert mere.post(f"{path}/note", form).status == 303


@pytest.mark.parametrize("path", ["", "/referral", "/enter", "/shift", "/replies"])
def test_the_limit_leaves_room_for_all_fields_of_a_page(ana: Person, report: str, path: str) -> None:
    page = ana.get(path if path in ("/enter", "/shift", "/replies") else f"/reports/{report}{path}")
    lengths = [int(length) for length in re.findall(r'maxlength="(\d+)"', page.html)]
    assert page.status == 200 and sum(lengths) * 12 + 16 * 1024 < MAX_BODY_BYTES


def test_beyond_it_a_sentence_says_why(mere: Person, report: str) -> None:
    form = {**mere.get(f"/reports/{report}").marks, "note": "x" * MAX_BODY_BYTES}
    page = mere.post(f"/reports/{report}/note", form)
    assert page.status == 413 and "This is too long." in page.text
