"""The pages for operators and hotlines name the times of gateway/submission/submitter.py."""

from __future__ import annotations

import re

import pytest

from gateway.submission import transitions
from gateway.submission.submitter import GATHER_ANSWERS_SECONDS, INCOMPLETE_SECONDS, UNCONFIRMED_TEXT_SECONDS
from tests.docs.pages import ROOT

USSD, SMS, TEXT = (
    seconds // 60 for seconds in (INCOMPLETE_SECONDS["ussd"], INCOMPLETE_SECONDS["sms"], UNCONFIRMED_TEXT_SECONDS)
)
# Typed words wait 0 s, without a constant: tests/safeguarding/test_words_after_send.py and
# tests/faults/test_left_alone.py check this.
TIMES = {
    "docs/operating.md": {
        "an incomplete report": f"{USSD} min; by SMS {SMS} min",
        "words by SMS that were never confirmed": f"{TEXT} min",
        "words typed after Send": "at once",
        "further answers of *Add more*": f"{GATHER_ANSWERS_SECONDS} s",
    },
    "docs/report.md": {
        "danger = now with a category": f"{USSD} min after the last answer; by SMS {SMS} min",
        "words by SMS, before danger = now": f"{TEXT} min",
        "words are typed after Send": "at once",
        "further answers of *Add more*": f"{GATHER_ANSWERS_SECONDS} s",
    },
    "docs/submission.md": {
        "typed words, or a picture by SMS": "at once",
        "any other": f"{GATHER_ANSWERS_SECONDS} s after the first",
    },
}


@pytest.mark.parametrize("page", TIMES)
def test_a_page_names_the_time_of_each_submission_without_send(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for begins, after in TIMES[page].items():
        [cell] = re.findall(rf"^\| {re.escape(begins)}[^|]* \| ([^|]+) \|", text, re.MULTILINE)
        assert re.match(rf"{re.escape(after)}\b", cell), f"{page}: {begins}"


def test_the_table_of_submission_names_the_same_times() -> None:
    assert f"after {GATHER_ANSWERS_SECONDS} s at most" in transitions.AFTER_SEND
    assert f"after {USSD} minutes (SMS {SMS}, a first text {TEXT})" in transitions.AS_INCOMPLETE
