"""Questions and their words: the approved questions, and the words that no screen has."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import pytest

from flows.catalogues import messages
from flows.engine import render_notice
from flows.model import Option
from flows.renderer import is_asked, lay_out
from tests.flows.phone import LIMITS, Phone, book, world

# Each question with all its variants. A new one must be added here deliberately.
APPROVED = {
    "danger": "Are you or a child in danger?|Child in danger?",
    "category": "What happened?",
    # the care screen says whom to call, and asks whether it is about the reporter or another person
    "about": "Who is this about?|You matter. You can talk to someone now: {helpline_line}, text {helpline_sms}."
    "|You matter. You can talk to someone now: {helpline_named}, text {helpline_sms}."
    "|You matter. You can talk to someone now: {helpline_line}."
    "|You matter. You can talk to someone now: {helpline_named}."
    "|You matter. In danger? Call {emergency}.|In danger? Call {emergency}.",
    "about_missing": "Who is missing?",
    "age_band": "How old are you?|How old is the child?",
    "place": "Where are you?|Where is help needed?|Where was the child seen?|Where was the child last seen?"
    "|Where is the child?",
    "narrative": "Who is missing? What clothes do they wear? Call {emergency} too: do not wait."
    "|What did the child look like? What clothes? Call {emergency} too: do not wait."
    "|Tell us in your own words. No names needed. Please do not send photos."
    # on the Sent screen
    "|Add your words? Type a few. 1 = skip|Type a few words. 1 = skip|Type a few. 1 = skip"
    "|Who is missing? What clothes? Type a few words. 1 = skip|Type a few: who, clothes. 1 = skip"
    "|How did the child look? Type a few words. 1 = skip|Type a few: looks, clothes. 1 = skip",
    "contact": "May staff contact you? Only if nobody else sees this phone. An SMS only says: dial us."
    "|May staff contact you? Only if nobody else sees this phone.",
    "call_hours": "May {incomplete_name} call this phone? Only if nobody else answers it."
    "|May staff call this phone? Only if nobody else answers it."
    "|In danger? Call {emergency}.\nMay we call? Only if nobody else answers."
    "|In danger? Call {emergency}.\nMay {incomplete_name} call? Only if nobody else answers. "
    "They also get what you told us."
    "|In danger? Call {emergency}.\nMay {incomplete_name} call? They also get what you told us."
    "|In danger? Call {emergency}.\nMay we call?",
    "avoid": "These may get it if one does not answer. Type a number to leave that one out."
    "|Type a number to leave that one out."
    "|These may get it if one does not answer. Press a number to leave that one out."
    "|Press a number to leave that one out.",
    "harm_kind": "What was it? Being pushed into it counts too.",
    "harm_when": "When was the last time?",
    "harm_near": "Can that person reach the child now?|Can that person reach you now?",
    "asked_for": "What do they ask for?",
    "threat": "Do they make threats?",
    "meeting": "Is a meeting planned?",
    "image_shared": "Do they have a photo of the child?|Do they have a photo of you?",
    "image_who": "Who is in the photo?",
    "platform": "Where did it happen?",
    "where_online": "Type the page or account name if you know it. Do not open it again, do not pass it on.",
    "payment_seen": "Was money asked for or paid? Please type no numbers.|Was money asked for or paid?",
    "last_seen": "When was the child last seen?|When did you see the child?",
    "last_place": "Which village, town or shop was it? Type its name.",
    "with_whom": "Is the child with someone?|Was the child with someone?|Are you with someone?",
    "exploit_kind": "What is it?",
    "can_leave": "Can the child leave that place?|Can you leave that place?",
    "traveller": "Is a visitor or tourist part of it?",
    "bully_where": "Where does it happen most?",
    "with_someone": "Is someone you trust near you?|Is someone with that person now?",
    "alone_now": "Is the child alone now?|Are you alone now?",
    "role": "Who are you?",
    "told": "Who has been told?",
    "told_2": "Who else has been told?",
    "told_3": "Who else has been told?",
    "addition": "Write what you want to add. Please do not send photos.|Added. You can write more."
    "|Added. You can write more.\nCut off? Dial, 3 My report|Added. You can write more. No names needed."
    "|Added. You can write more. No names needed.\nCut off? Dial, 3 My report",
    "help_place": "Where is help needed?",
    "help_service": "Help near you",
    "code": "Type your 8-digit code.|Press the 8 digits of your code.|No code? 1 = add words"
    "|In danger? Call {emergency}.\nType your 8-digit code.",
    "pin": "Type your 4-digit PIN.|Press the 4 digits of your PIN.",
    "helped": "Closed by {desk}. Did it help?",
    "later_words": "If this phone sent a report in the last hour, your words go with it. If not, {incomplete_name} "
    "gets them. Type a few words.|Added. You can write more. In danger? Call {emergency}.|1 = done",
    "my_words": "Write what you want to add. Please do not send photos.",
    "my_contact": "May staff contact you? Only if nobody else sees this phone. An SMS only says: dial us."
    "|May staff contact you? Only if nobody else sees this phone."
    "|We do not see the number of this phone. Staff can only be told not to contact you.",
    "language": "{language_word}|In danger? Call {emergency}.\n{language_word}",
    # for parents: the answers are not stored
    "five_1": "Do you know what your child likes to do on the phone, and with whom? (1 of 5)",
    "five_2": "If something bad happened online, would your child come to you without fear? (2 of 5)",
    "five_3": "Does the phone have a lock code, and are the accounts private? (3 of 5)",
    "five_4": "Does your child know one more safe adult to tell, if not you? (4 of 5)",
    "five_5": "Do you know which numbers to call for help? (5 of 5)",
}
# "send" names the recipients, and so do the Sent screens: their words are in the table of screens
NOT_QUESTIONS = {"send"}
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


# Tips may use words that our promises may not, and two of them advise to save messages.
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
            skip_line = [screen.typed.skip_line] if screen.typed else []
            texts = skip_line if screen.id.startswith("report.sent") else [screen.words, *skip_line]
            words = {say for text in texts for variant in text.variants for say in variant.says}
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
    first = book().screens["report.contact"].choices[0]
    assert (first.key, first.value, first.say.variants[0].says) == ("1", "none", ("No",))


@pytest.mark.rule("S-11")
@pytest.mark.parametrize(
    ("send_to", "names"), [("one", ["Pikinini Helpline"]), ("two", ["Pikinini Helpline", "Vanuatu Police"])]
)
def test_the_send_screen_names_who_gets_it_and_the_next_all_others(send_to: str, names: list[str]) -> None:
    here = world({"send_to": send_to})
    text = render_notice(book(), "report.send", here, LIMITS["ussd"]).text
    assert all(name in text for name in names) and "2 Leave one out" in text
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


NOT_MISSING = ("harm", "luring", "images", "exploitation", "bullying", "self_harm", "neglect", "other")
ONESELF = [
    *({"category": category, "about": "me"} for category in NOT_MISSING),
    {"category": "missing", "about_missing": "self_away"},
]


def forms(flow: str, answers: Mapping[str, str | None], **facts: str) -> dict[str, str]:
    """Return the first page of each screen of a flow that is shown after these answers."""
    here = world(facts, lists={"places_in_group": (Option("KE-14", "Kilifi"),)})
    return {
        screen.id: lay_out(screen, answers, here, LIMITS[here.facts["channel"]]).pages[0].text
        for screen in book().flows[flow].screens.values()
        if is_asked(screen, answers, here)
    }


@pytest.mark.parametrize("answers", ONESELF, ids=lambda answers: answers["category"])
@pytest.mark.parametrize("danger", ["now", "no"])
def test_who_reports_for_oneself_never_reads_the_child(danger: str, answers: dict[str, str]) -> None:
    """Questions about another person are skipped for a reporter who reports about themselves."""
    others = {"report.place", "report.place_seen", "report.age"}
    for flow in ("report", "more"):
        shown = forms(flow, {"danger": danger, **answers}, channel="sms")
        assert {name for name, text in shown.items() if "the child" in text} <= others, flow


@pytest.mark.parametrize("danger", ["now", "no"])
@pytest.mark.parametrize("start", ["Me", "I am away from home"])
def test_a_walk_of_oneself_passes_no_screen_on_the_child(start: str, danger: str) -> None:
    phone = Phone()
    category = "Missing child" if start != "Me" else "Hurt, touched, forced"
    seen = [phone.chooses("Report", "Now", "Go on") if danger == "now" else phone.chooses("Report", "No")]
    for label in (category, *(("Shefa", start) if danger == "now" else (start, "13-15", "Shefa")), "No", "Send"):
        seen.append(phone.chooses(label))
    seen.append(phone.types("my own words"))
    while "Write what you want to add" not in seen[-1]:
        seen.append(phone.types("Skip" if "Skip" in seen[-1] else "1"))
    assert not [text for text in seen if "the child" in text]


def test_nobody_is_asked_about_the_police_after_self_harm() -> None:
    for name, text in forms("more", {"category": "self_harm", "told": "family", "told_2": "other"}).items():
        assert "olice" not in text.replace("Call police 111", ""), name
    assert "4 Police" in forms("more", {"category": "harm"})["more.told"]


def test_the_sent_screen_says_what_code_and_pin_are_for() -> None:
    for send_to in ("one", "two", "staff"):
        for category in ("harm", "self_harm"):
            text = forms("report", {"category": category}, send_to=send_to)["report.sent"]
            assert "Answers: dial, 3 My report\nCode 4821 9303\nPIN 7350" in text and "police 111" in text
    assert "To read answers: text CODE." in forms("report", {}, channel="sms")["report.code_sms"]


@pytest.mark.parametrize("about", ["my_child", "child_i_know", "sighting"])
def test_when_and_where_a_child_was_last_seen_are_asked_once(about: str) -> None:
    answers = {"category": "missing", "about_missing": about, "danger": "no"}
    shown = [text.split("\n")[0] for text in forms("more", answers).values()]
    assert len([text for text in shown if "When" in text]) == 1
    assert len([text for text in shown if "last seen" in text and "Where" in text]) <= 1


ABOUT = ("my_child", "child_i_know", "other", None)
OTHERS: list[dict[str, str | None]] = [
    *({"category": category, "about": about} for category in NOT_MISSING for about in ABOUT),
    *({"category": "missing", "about_missing": about} for about in ("my_child", "child_i_know", "sighting", None)),
]
# To the reporter as the person who reports, and not about the person who needs help.
TO_THE_REPORTER = re.compile(
    r"your number|your own words|your words|contact you|leave that one out|Who are you|You can write more|Thank you"
    r"|you want to add|even if you hang up|You can call|what you told us now|You do not send the picture in"
    r"|if you know it|When did you see|your voice|If you can, get someone",
    re.IGNORECASE,
)


@pytest.mark.parametrize("danger", ["now", "no"])
@pytest.mark.parametrize("answers", OTHERS, ids=lambda one: "-".join(map(str, one.values())))
def test_who_reports_for_another_is_asked_about_that_person(danger: str, answers: dict[str, str | None]) -> None:
    """Otherwise staff read of the reporter what they take as said of the child: somebody is near, or nobody."""
    before = {"report.danger", "report.emergency", "report.care", "report.age_me", "report.place_me"}
    for channel, extra in itertools.product(("ussd", "sms"), ({}, {"with_someone": "no", "harm_kind": "both"})):
        values = {"danger": danger, "harm_when": "last_3_days", "image_who": "known", **extra, **answers}
        shown = forms("report", values, channel=channel) | forms("more", values, channel=channel)
        for name in shown.keys() - before - {"more.care_end"}:
            speaks = [
                line for line in shown[name].split("\n") if re.search(r"\byour?\b", TO_THE_REPORTER.sub("", line), re.I)
            ]
            assert not speaks, (name, speaks)


def test_no_heading_looks_like_a_choice() -> None:
    """ "2 of 5." above "2 Not yet" reads as a key."""
    headed = [screen for screen in book().screens.values() if screen.choices]
    words = [say for screen in headed for variant in screen.words.variants for say in variant.says]
    assert words and not [say for say in words if re.match(r"\d+ ", say)]


@pytest.mark.rule("S-37")
@pytest.mark.parametrize("contact", ["none", "call_07_21"])
@pytest.mark.parametrize("send_to", ["one", "two"])
def test_the_police_do_not_have_to_tell_the_police(send_to: str, contact: str) -> None:
    shown = forms("report", {"contact": contact}, send_to=send_to, police_named="yes")["report.send"]
    assert "They may have to tell child welfare too." in shown
    shown = forms("report", {"contact": contact}, send_to=send_to, police_named="no")["report.send"]
    assert "They may have to tell police or child welfare" in shown


@pytest.mark.parametrize("about", ABOUT)
def test_who_fears_for_a_person_alone_reads_whom_to_call_for_that_person(about: str | None) -> None:
    values = {"category": "self_harm", "about": about, "with_someone": "no"}
    for facts in ({}, {"helpline_texts": "yes"}):
        text = forms("more", values, **facts)["more.care"]
        assert all(words in text for words in ("stay with that person", "police 111", "Pikinini Helpline 163")), text
    assert "police 111" in forms("more", values, has_helpline="no")["more.care"]


def test_nothing_written_is_not_said_to_be_added() -> None:
    assert forms("more", {"addition": None})["more.added"].startswith("Thank you.\n")
    assert forms("more", {"addition": "words"})["more.added"].startswith("Added. It goes to staff.")
