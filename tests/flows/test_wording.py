"""What is asked and how: the approved questions, and the words that never stand on a screen."""

from __future__ import annotations

import re

import pytest

from flows.catalogues import messages
from flows.engine import render_notice
from tests.flows.phone import LIMITS, book, world

# Each question with all its forms. A new one is added here on purpose, or not at all.
APPROVED = {
    "danger": "Are you or a child in danger?|Child in danger?",
    "category": "What happened?",
    # the care screen says whom to call, and asks whether it is about oneself or somebody else
    "about": "Who is this about?|You matter. You can talk to someone now: {helpline_line}, text {helpline_sms}."
    "|You matter. You can talk to someone now: {helpline_named}, text {helpline_sms}."
    "|You matter. You can talk to someone now: {helpline_line}."
    "|You matter. You can talk to someone now: {helpline_named}."
    "|You matter. In danger? Call {emergency}.|In danger? Call {emergency}.",
    "about_missing": "Who is missing?",
    "age_band": "How old are you?|How old is the child?",
    "place": "Where are you?|Where is help needed?|Where was the child seen?|Where is the child?",
    "narrative": "Who, where and when last seen, what clothes? Call {emergency} too: do not wait."
    "|Tell us in your own words. No names needed. Please do not send photos.",
    "contact": "May staff contact you on this phone? Only if nobody else sees it."
    "|May staff contact you? Only if it is safe.",
    "avoid": "Who may get it if one does not answer. Type a number to leave that one out."
    "|Type a number to leave that one out.",
    "harm_kind": "What was it?",
    "harm_when": "When was the last time?",
    "harm_near": "Can that person reach the child now?|Can that person reach you now?",
    "asked_for": "What do they ask for?",
    "threat": "Do they make threats?",
    "meeting": "Is a meeting planned?",
    "image_shared": "Do they have a photo of the child?|Do they have a photo of you?",
    "image_who": "Who is in the photo?",
    "platform": "Where did it happen?",
    "where_online": "Type the page or account name if you know it. Do not open it again, do not pass it on.",
    "payment_seen": "Was money asked or paid? Please type no numbers.",
    "last_seen": "When was the child last seen?",
    "last_place": "Type the place where the child was last seen.",
    "with_whom": "Is the child with someone?",
    "exploit_kind": "What is it?",
    "can_leave": "Can the child leave that place?|Can you leave that place?",
    "traveller": "Is a visitor or tourist part of it?",
    "bully_where": "Where does it happen most?",
    "with_someone": "Is someone you trust near you?|Is someone with that person now?",
    "alone_now": "Is the child alone now?|Are you alone now?",
    "role": "Who are you?",
    "told": "Who has been told?",
    "addition": "Write what you want to add. Please do not send photos.",
    "code": "Type your 8-digit code.|In danger? Call {emergency}.\nType your 8-digit code.",
    "pin": "Type your 4-digit PIN.",
    "my_words": "Write what you want to add. Please do not send photos.",
    "my_contact": "May staff contact you on this phone? Only if nobody else sees it."
    "|We do not see the number of this phone. Staff can only be told not to contact you.",
    "language": "{language_word}|In danger? Call {emergency}.\n{language_word}",
    # for parents: no answer is kept
    "five_1": "1 of 5. Do you know what your child likes to do on the phone, and with whom?",
    "five_2": "2 of 5. If something bad happened online, would your child come to you without fear?",
    "five_3": "3 of 5. Does the phone have a lock code, and are the accounts private?",
    "five_4": "4 of 5. Does your child know one more safe adult to tell, if not you?",
    "five_5": "5 of 5. Do you know which numbers to call for help?",
}
NOT_QUESTIONS = {"send"}  # names who gets it: its words are in the table of screens
NEVER = (
    *("child pornography", "child porn", "kiddie", "prostitute", "sex worker", "sex tourism", "victim", "informant"),
    *("complainant", "client", "case", "stranger", "predator", "monster", "pervert", "paedophile", "pedophile"),
    *(
        "you should have",
        "you should not have",
        "why did you",
        "if only",
        "careless",
        "silly",
        "naughty",
        "asked for it",
    ),
    *("confess", "admit", "tell the truth", "your story", "claim", "allege", "sexting", "nudes", "revenge porn"),
    *(
        "sextortion",
        "solved",
        "resolved",
        "rejected",
        "secret",
        "confidential",
        "anonymous",
        "nobody will know",
        "trust us",
    ),
    *("don't panic", "calm down", "don't be afraid", "special", "suffering from"),
    *("help is coming", "you are safe now", "they will call you"),
)
LOOKING = ("proof", "are you sure", "find out", "send us", "search for", "keep talking")


# Tips may say what a promise of ours may not, and two of them say to keep what was written.
IN_TIPS = {"secret": "tips_", "proof": "tips_"}


def says(phrase: str) -> list[str]:
    found = (
        (words, screens)
        for words, screens in messages(book()).items()
        if re.search(rf"\b{re.escape(phrase)}\b", words, re.IGNORECASE)
    )
    spare = IN_TIPS.get(phrase)
    return [words for words, screens in found if not (spare and all(name.startswith(spare) for name in screens))]


@pytest.mark.rule("S-16")
def test_only_approved_questions_are_asked_in_approved_words() -> None:
    asked: dict[str, set[str]] = {}
    for screen in book().screens.values():
        if screen.question and screen.question not in NOT_QUESTIONS:
            words = {say for variant in screen.words.variants for say in variant.says}
            asked.setdefault(screen.question, set()).update(words)
    assert asked == {question: set(words.split("|")) for question, words in APPROVED.items()}
    assert not any(words.casefold().startswith("why") for words in messages(book()))


@pytest.mark.rule("S-17")
@pytest.mark.parametrize("phrase", LOOKING)
def test_nobody_is_asked_for_proof_or_to_look(phrase: str) -> None:
    assert says(phrase) == []


@pytest.mark.rule("S-18")
@pytest.mark.rule("S-38")
@pytest.mark.parametrize("phrase", NEVER)
def test_the_words_never_to_use_are_on_no_screen(phrase: str) -> None:
    assert says(phrase) == []


def test_the_lint_finds_a_planted_word() -> None:
    assert says("Missing Child") == ["Missing child"]


@pytest.mark.rule("S-13")
def test_to_be_contacted_is_asked_with_no_first() -> None:
    first = book().screen("report.contact").choices[0]
    assert (first.key, first.value, first.say.variants[0].says) == ("1", "none", ("No",))


@pytest.mark.rule("S-11")
@pytest.mark.parametrize(
    ("send_to", "names"), [("one", ["Pikinini Helpline"]), ("two", ["Pikinini Helpline", "Vanuatu Police"])]
)
def test_the_send_screen_names_who_gets_it_and_the_next_all_others(send_to: str, names: list[str]) -> None:
    here = world({"send_to": send_to})
    text = render_notice(book(), "report.send", here, LIMITS["ussd"]).text
    assert all(name in text for name in names) and "2 Who else" in text
    others = render_notice(book(), "report.who_else", here, LIMITS["ussd"]).text
    assert all(option.say in others for option in here.lists["who_else"])


@pytest.mark.rule("S-11")
@pytest.mark.rule("S-12")
def test_a_report_is_sent_by_send_alone() -> None:
    sending = {
        (screen.id, choice.value)
        for screen in book().screens.values()
        for choice in screen.choices
        if choice.do == "send"
    }
    assert sending == {("report.send", "send"), ("report.nobody", "after_all")}
    assert not any(screen.do == "send" for screen in book().screens.values())
