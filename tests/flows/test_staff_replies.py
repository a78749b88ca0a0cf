"""Messages of staff to a reporter: sent, questioned, or refused with the reason (S-25)."""

from __future__ import annotations

import itertools
from importlib.resources import files

import pytest

import locales
from flows.catalogues import load
from flows.engine import render_notice
from flows.model import FlowState
from flows.pagination import alphabet, fits, septets
from flows.renderer import lay_out, render
from flows.staff_replies import MAX_SEPTETS, MAX_UNITS, check_reply
from tests.flows.phone import LIMITS, book, world

LANGUAGES = load(files(locales))
NUMBERS = frozenset({"111", "163", "25764"})
NAMES = ("Pikinini Helpline", "Women's Centre")
SENT, ASKED, REFUSED, HINTED = "", "doubt", "refused", "hint"

MESSAGES = [
    # name, words, result, part of the reason
    ("plain", "We have read it. You did well to tell. When can you talk?", SENT, ""),
    ("two lines", "We have read it.\nYou can write more here, as often as you like.", SENT, ""),
    ("a number of the country", "You can also call 163, day and night.", SENT, ""),
    ("with blanks in it", "You can also call 2 57 64 in the morning.", SENT, ""),
    ("two numbers", "Call 111 or 163.", SENT, ""),
    ("a time", "We read this at 7:30 each morning, and at 4 pm.", SENT, ""),
    ("another time", "Write again before 16.00 if you can.", SENT, ""),
    ("days", "We look again in 3 days.", SENT, ""),
    ("a number before a count", "Call 163 7 days a week.", SENT, ""),
    ("an abbreviation", "Somebody is here all day, e.g. at noon.", SENT, ""),
    ("not to send pictures", "Please do not send photos. Tell it in words.", SENT, ""),
    ("a picture that was told of", "Who has the photo now?", SENT, ""),
    ("Bislama", "Mifala i ridim finis. Plis yu no sendem foto.", SENT, ""),
    ("not to send pictures, said otherwise", "We never ask you to send a photo.", SENT, ""),
    ("not to send pictures, in French", "N'envoie pas de photo, jamais.", SENT, ""),
    (
        "what is wanted for them",
        "Do you want the pictures taken down?\nWe need to know who has them.",
        ASKED,
        "pictures",
    ),
    ("days and a number", "On Monday or Friday, between 9 and 16.", SENT, ""),
    ("no words", "", REFUSED, "empty"),
    ("blanks", " \n ", REFUSED, "empty"),
    ("too long", "We have read it. " * 8, REFUSED, "room for 120"),
    ("too long in other letters", "\u02bbOku mau ma\u02bbu ho\u02bbo lipooti mo e ngaahi lea.", REFUSED, "room for 40"),
    ("a link", "Read https://example.org now", REFUSED, "link"),
    ("a link without its scheme", "Look at www.example.org", REFUSED, "link"),
    ("a name of a page", "Look at example.com", REFUSED, "link"),
    ("a short one", "See bit.ly/x1", REFUSED, "link"),
    ("one that was made harmless", "See hxxp example[.]org", REFUSED, "link"),
    ("an address", "Write to desk@example", REFUSED, "link"),
    ("no blank after a full stop", "We have read it.It is good.", REFUSED, "no space"),
    ("a name of a page with any ending", "Go to friends.club now", REFUSED, "link"),
    ("a name of a page with another dot", "Go to friends\u3002club", REFUSED, "link"),
    ("a number of nobody", "Call me on 555 0101", REFUSED, "555 0101 is not one"),
    ("with the dashes of a word processor", "Call 55\u201350\u201310\u20131", REFUSED, "Only checked helpline numbers"),
    ("with commas", "Call 55,50,10,1", REFUSED, "Only checked helpline numbers"),
    ("as if it were times", "Call 77h12 34h56", REFUSED, "Only checked helpline numbers"),
    ("with colons", "Call 55:50:10:11", REFUSED, "Only checked helpline numbers"),
    ("with low lines", "Call 55_50_10_1", REFUSED, "Only checked helpline numbers"),
    ("another country's", "Call 116 now", REFUSED, "116 is not one"),
    ("in small pieces", "My phone: 55 50 10 1", REFUSED, "Only checked helpline numbers"),
    ("in full-width digits", "Call \uff15\uff15\uff15\uff10\uff11\uff10\uff11", REFUSED, "is not one"),
    ("with the country's code", "+678 555 0101", REFUSED, "is not one"),
    ("a picture", "Can you send a photo of the messages?", REFUSED, "pictures"),
    ("a picture, with a not for something else", "Don't worry, send us a photo.", REFUSED, "pictures"),
    ("a picture, with a no for something else", "No problem, please send a picture", REFUSED, "pictures"),
    ("a picture, after an and", "Do not be shy and send us a photo", REFUSED, "pictures"),
    ("a picture that is needed", "Hello.\nWe need a photo of it.", REFUSED, "pictures"),
    ("a picture that they want to see", "Hello.\nCan we see the picture?", REFUSED, "pictures"),
    ("a picture, the other way round", "The picture that you have, please forward it.", REFUSED, "pictures"),
    ("a screenshot", "Take a screenshot and keep it.", REFUSED, "pictures"),
    ("a picture in Bislama", "Plis yu sendem foto long mifala.", REFUSED, "pictures"),
    ("a picture in French", "Envoie la photo, merci.", REFUSED, "pictures"),
    ("a picture in Swahili", "Tuma picha hiyo hapa.", REFUSED, "pictures"),
    ("letters that nobody sees", "We have\u202e read it", REFUSED, "nobody can see"),
    ("a topic on the first line", "About the abuse that you told of.\nWe have read it.", ASKED, "abuse"),
    ("a topic on the second", "We have read it.\nThe police know.", SENT, ""),
    ("the hotline's name first", "Pikinini Helpline here.", ASKED, "Pikinini Helpline"),
    ("a promise", "We have read it.\nHelp is coming.", ASKED, "promises"),
    ("another promise", "Hello.\nSomeone will come to you today.", ASKED, "promises"),
    ("secrecy", "Hello.\nThis stays confidential.", ASKED, "promises"),
    ("a question with its own choices", "Can you talk now?\n1 Yes\n2 No", ASKED, "begins with a number"),
    ("choices with marks", "Hello.\n 1) Yes\n 2) No", ASKED, "begins with a number"),
    ("a choice like those of the menu", "Hello.\n00. Leave", ASKED, "begins with a number"),
    ("a number within a line", "Hello. We look again in\nabout 3 days, at 4 pm.", SENT, ""),
    ("times at the start", "4 pm is good.\n16.30 too.", SENT, ""),
    ("a longer number at the start", "Call them:\n163, day and night.", SENT, ""),
    ("a name", "Hello.\nWhat is your name?", ASKED, "never ask or say"),
    ("where", "Hello.\nWhere do you live?", ASKED, "never ask or say"),
    ("why", "Hello.\nWhy did you wait?", ASKED, "never ask or say"),
    ("the first question of a helpline", "Are you safe?", HINTED, "says safe"),
    ("the same, otherwise", "Are you in danger now?", HINTED, "says danger"),
    ("the first question with a topic", "Are you safe from the police?", ASKED, "says police"),
]


@pytest.mark.rule("S-25")
@pytest.mark.rule("S-30")
@pytest.mark.parametrize(
    ("words", "outcome", "reason"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES]
)
def test_what_comes_of_words(words: str, outcome: str, reason: str) -> None:
    found = check_reply(words, NUMBERS, NAMES)
    came = next((one.weight.value for one in found), SENT)
    assert (came, [one.why for one in found]) == (outcome, [one.why for one in found])
    assert reason in " ".join(one.why for one in found)


def test_enough_of_each_is_tried() -> None:
    assert len(MESSAGES) >= 30
    assert sum(row[2] == REFUSED for row in MESSAGES) >= 10


@pytest.mark.rule("S-25")
@pytest.mark.parametrize("tag", sorted(LANGUAGES))
def test_the_longest_that_may_be_sent_fits_one_screen_in_every_language(tag: str) -> None:
    """Together with the choices below it; in another alphabet than GSM-7, with as many choices as fit."""
    say = LANGUAGES[tag].translate
    gsm = all(alphabet(say(label)) == "gsm7" for label in ("Write", "Next", "Back"))
    longest = ("We read it. " * 20)[: MAX_SEPTETS if gsm else MAX_UNITS - 1] + ("" if gsm else "\u02bb")
    assert not any(one.refused for one in check_reply(longest, NUMBERS))
    for (channel, limit), another in itertools.product(LIMITS.items(), ("yes", "no")):
        here = world({"channel": channel, "another": another}, {"message": longest}, translate=say)
        shown = render_notice(book(), "my.message", here, limit)
        assert (shown.pages, longest in shown.text) == (1, True), shown.text
    assert septets(longest) <= MAX_SEPTETS


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("tag", sorted(LANGUAGES))
@pytest.mark.parametrize("words", ["We read it. " * 10, "\u02bbOku mau lau ia. Tohi mai he taimi 4 he."])
def test_a_drill_leaves_no_word_of_staff_out(tag: str, words: str) -> None:
    """Its mark takes room, so the choices may be on a second page; sentences of other screens are left out then."""
    for (channel, limit), another in itertools.product(LIMITS.items(), ("yes", "no")):
        facts = {"channel": channel, "another": another, "drill": "yes"}
        here = world(facts, {"message": words}, translate=LANGUAGES[tag].translate)
        shown = " ".join(page.heading for page in lay_out(book().screens["my.message"], {}, here, limit).pages)
        assert words.split() == shown.split()[-len(words.split()) :], shown


@pytest.mark.parametrize("tag", sorted(LANGUAGES))
@pytest.mark.parametrize("words", ["We read it. " * 9 + "Do not go.", "\u02bbOku mau lau ia. Tohi mai he taimi 4 he."])
def test_a_wrong_key_takes_no_word_of_staff_away(tag: str, words: str) -> None:
    """The sign that the key was wrong takes room from other screens; here it is left out if it does not fit.

    In a call it never is, because a voice needs no room.
    """
    for (channel, limit), another in itertools.product(LIMITS.items(), ("yes", "no")):
        here = world({"channel": channel, "another": another}, {"message": words}, translate=LANGUAGES[tag].translate)
        shown = render(book(), FlowState("my.message", wrong=1), here, limit, sorry=True).text
        assert lay_out(book().screens["my.message"], {}, here, limit).pages[0].heading in shown
        assert channel == "voice" or fits(shown, limit)
