"""locales/en.po has exactly the messages of the flows."""

from __future__ import annotations

import polib
import pytest

import locales
from flows.catalogues import message_id, messages
from flows.engine import render_notice
from flows.staff_replies import REPLY_TEMPLATES
from reports.answer_notices import NOTICE_TEXT
from reports.countries.law import LAW_MESSAGES
from reports.countries.validation import TRANSLATED_WORDS
from tests.flows.phone import LIMITS, book, world

PO = locales.FOLDER / "en.po"


def test_the_english_catalogue_is_the_flows_words() -> None:
    catalogue = polib.pofile(str(PO))
    said = {*messages(book()), *TRANSLATED_WORDS, *LAW_MESSAGES, NOTICE_TEXT, *REPLY_TEMPLATES}
    assert {message_id(entry) for entry in catalogue} == said, "put the messages that differ into locales/en.po"
    assert all(entry.msgstr == entry.msgid for entry in catalogue)
    assert catalogue.percent_translated() == 100


def test_its_header_says_what_gettext_needs() -> None:
    header = polib.pofile(str(PO)).metadata
    assert header["Language"] == "en"
    assert header["Project-Id-Version"] == "Tokaut"
    assert header["Content-Type"] == "text/plain; charset=UTF-8"
    assert header["Plural-Forms"] == "nplurals=2; plural=(n != 1);"


def test_messages_of_lines_that_wait_are_there_and_bare_placeholders_are_not() -> None:
    words = messages(book())
    assert words["Safety tips"] == ("home.home", "home.home_sms", "home.did_you_mean")
    assert words["skip"] == ()
    assert "{language_word}" not in words


def test_every_word_on_a_screen_goes_through_the_catalogue() -> None:
    here = world(translate=lambda words: words.upper() if "{" not in words else words)
    for name in book().screens:
        text = render_notice(book(), name, here, LIMITS["ussd"]).text
        for line in text.split("\n"):
            if line[:1].isdigit() and line.partition(" ")[2] not in {
                one.say for all_ in here.lists.values() for one in all_
            }:
                filled = ("Pikinini", "Lanwis", "Messages (2)")
                assert line == line.upper() or any(one in line for one in filled), name


@pytest.mark.rule("S-01")
def test_a_translation_that_lost_a_number_is_not_shown() -> None:
    here = world(translate=lambda words: words.replace(" {emergency}", ""))
    assert "police 111" in render_notice(book(), "home.home", here, LIMITS["ussd"]).text
