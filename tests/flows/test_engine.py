"""One reply at a time: which replies are understood, go back, leave, and are stored or forgotten."""

from __future__ import annotations

import unicodedata

import pytest
from msgspec.structs import replace

import locales
from flows.catalogues import load
from flows.engine import (
    apply_outcome,
    initial_state,
    is_exit,
    is_free_text,
    is_key,
    prepend_answers,
    render,
    render_notice,
    step,
)
from flows.model import Answer, FlowState, Option, ScreenContext
from flows.pagination import is_sentence
from tests.flows.phone import FIELDS, LIMITS, NOON, OUTCOMES, Phone, book, world

USSD, SMS = LIMITS["ussd"], LIMITS["sms"]


def at(screen: str, page: int = 0, wrong: int = 0) -> FlowState:
    return FlowState(screen, trail=(("home.home", -1),), page=page, wrong=wrong)


def took(screen: str, reply: str, here: ScreenContext | None = None) -> FlowState:
    return step(book(), at(screen), reply, lambda _: here or world(), limit=USSD, now=NOON).state


# Replies that are understood


@pytest.mark.parametrize(
    "reply",
    ["1", "1 ", " 1\n", "１", "١", "१", "Hurt, touched, forced", " hurt,  TOUCHED, forced ", "1 hurt, touched, forced"],
)
def test_a_choice_is_taken_by_its_key_in_any_script_or_by_its_label(reply: str) -> None:
    assert took("report.category", reply).values == {"category": "harm"}


@pytest.mark.parametrize(
    "reply", ["\u200b1", "1\u200f", "\u202a1\u202c", "\ufeff1", "1\ufe0f\u20e3", '"1"', "\u201c1\u201d"]
)
def test_what_nobody_sees_or_a_quotation_mark_does_not_count_around_a_key(reply: str) -> None:
    assert took("report.category", reply).values == {"category": "harm"}
    assert is_exit(reply.replace("1", "00"))


@pytest.mark.parametrize("reply", ["8", "no care or food", "８"])
def test_a_category_is_taken_on_either_page(reply: str) -> None:
    for page in (0, 1):
        found = step(book(), at("report.category", page=page), reply, lambda _: world(), limit=USSD, now=NOON)
        assert found.state.values == {"category": "neglect"}


@pytest.mark.parametrize(
    "reply",
    ["01", "001", "1.5", "-1", "99", " ", "", "*", "#", "1 1", "9" * 4301, "½", "hurt", "\ud800", "\0"],
)
def test_what_is_no_choice_is_not_guessed_at(reply: str) -> None:
    found = step(book(), at("report.category"), reply, lambda _: world(), limit=USSD, now=NOON)
    assert found.is_invalid and not found.accepted and not found.has_left
    assert found.state.screen == "report.category" and found.state.answers == ()
    assert render(book(), found.state, world(), USSD, sorry=True).text.startswith(
        ("Sorry, try again.", "What happened?")
    )


@pytest.mark.rule("S-09")
def test_a_typed_yes_is_understood_where_the_label_says_it_another_way() -> None:
    assert took("more.threat", "yes").values == {"threat": "yes"}
    assert took("more.alone_now", "YES ").values == {"alone_now": "yes"}


@pytest.mark.parametrize(
    ("tag", "reply"),
    [("fj", "Io"), ("fr", "Oui !"), ("sm", "ioe"), ("sw", "Ndiyo."), ("sw", "ndio"), ("to", "\u02bbIo"), ("to", "io")],
)
def test_yes_is_understood_in_the_language_of_the_screen(tag: str, reply: str) -> None:
    here = replace(world(), keywords=load(locales.FOLDER)[tag].keywords)
    for screen in book().screens.values():
        for choice in screen.choices:
            if "yes" in choice.also:
                found = step(book(), at(screen.id), reply, lambda _: here, limit=USSD, now=NOON)
                assert found.answer and found.answer.value == choice.value, screen.id
    assert step(book(), at("more.threat"), reply, lambda _: world(), limit=USSD, now=NOON).is_invalid


@pytest.mark.parametrize("reply", ["\u02bbIkai", "'ikai", "ikai", "IKAI."])
def test_a_label_may_be_typed_without_the_marks_that_a_keypad_lacks(reply: str) -> None:
    here = world(translate=load(locales.FOLDER)["to"].translate)
    assert took("report.danger", reply, here).values == {"danger": "no"}


@pytest.mark.parametrize("reply", ["1", "Send", "1 Send", "9"])
def test_nothing_is_chosen_on_a_page_that_shows_no_choice(reply: str) -> None:
    """In an alphabet of 70 letters a page "Send to ..." may be all question: nobody has read yet what 1 does."""
    phone = Phone(world(translate=lambda words: words.replace("Send to", "ʻAve ki he")), at="report.send")
    assert "98 More" in phone.text and "1 Send" not in phone.text
    phone.types(reply)
    assert phone.state.screen == "report.send" and phone.effects == []
    while "1 Send" not in phone.text:
        phone.types("98")
    phone.types("1")
    assert phone.effects == ["send"]


def test_a_last_screen_that_fits_on_no_page_offers_no_more() -> None:
    too_long = world({"channel": "sms"}, translate=lambda words: "ʻĀ " * 40 if words.startswith("Thank") else words)
    text = render_notice(book(), "home.how_to_delete", too_long, LIMITS["sms"]).text
    assert text.startswith("ʻĀ ʻĀ") and "98" not in text


def test_back_more_done_and_leave_are_understood_as_words_too() -> None:
    assert took("report.category", "Back").screen == "home.home"
    assert took("report.category", "more").page == 1
    assert took("report.sent_menu", "done").screen == "home.goodbye"
    assert step(book(), at("report.danger"), "leave", lambda _: world(), limit=USSD, now=NOON).has_left
    first = step(
        book(), initial_state(book(), "home.first_words"), "delete it", lambda _: world(), limit=USSD, now=NOON
    )
    assert first.has_left


def test_labels_are_understood_in_the_language_shown() -> None:
    here = world(translate=lambda words: {"Now": "Naoia"}.get(words, words))
    assert took("report.danger", "naoia", here).values == {"danger": "now"}


def test_ninety_eight_acts_only_where_it_is_shown() -> None:
    assert took("report.category", "98").page == 1
    last = step(book(), at("report.category", page=1), "98", lambda _: world(), limit=USSD, now=NOON)
    assert last.is_invalid and last.state.page == 1
    assert step(book(), at("report.danger"), "98", lambda _: world(), limit=USSD, now=NOON).is_invalid


@pytest.mark.parametrize("screen", ["report.age", "report.age_me"])
@pytest.mark.parametrize(
    ("reply", "band"),
    [
        *(("10", "10-12"), ("12", "10-12"), ("13", "13-15"), ("14", "13-15"), ("16", "16-17"), ("17", "16-17")),
        *(("18", "18+"), ("45", "18+"), ("97", "18+"), ("I am 14", "13-15"), ("14 years", "13-15")),
        *(("14yrs old", "13-15"), ("١٤", "13-15"), ("im 9 or 10", None), ("9", None), ("109", None), ("98", None)),
        *(("he is 45 and hurts me", None), ("my dad is 45", None), ("09", None), ("14-15", None)),
        *(("4", "13-15"), ("16-17", "16-17"), ("14.", "13-15"), ("I'm 14", "13-15"), ("I\u2019m 14!", "13-15")),
        *(("she is 12", "10-12"), ("He is 16 years old", "16-17"), ("12 yrs", "10-12"), ("I am 14 years old", "13-15")),
        *(("10 months", None), ("Year 12", None), ("grade 11", None), ("class 10", None), ("12 times", None)),
        *(("13 kids", None), ("she is 35", None), ("12 years ago", None), ("since 12", None)),
    ],
)
def test_an_age_of_two_digits_is_its_band(screen: str, reply: str, band: str | None) -> None:
    found = step(book(), at(screen), reply, lambda _: world(), limit=USSD, now=NOON)
    assert found.state.values == ({"age_band": band} if band else {})
    assert found.accepted is (band is not None)


@pytest.mark.parametrize(
    ("screen", "reply", "key"),
    [
        *(("report.words", reply, True) for reply in ("1", "1.", "(1)", "1 = skip", "skip", "Skip.", "0.", "0 = Back")),
        *(("report.words", reply, True) for reply in ("00.", "0 0", "00 Leave", "\uff11", "\u0661", " 00\n", "7")),
        *(("report.words", reply, False) for reply in ("", "one", "1.5", "1 man", "Back", "he is 12", "0" * 201)),
        *(("report.danger", reply, True) for reply in ("1", "1)", "00", "Leave", "Back")),
        *(("report.danger", reply, False) for reply in ("Now", "help me")),
    ],
)
def test_a_key_is_what_the_screen_would_take_as_one(screen: str, reply: str, key: bool) -> None:
    assert is_key(book(), at(screen), reply, lambda _: world({"channel": "sms"}), SMS) is key


def test_a_number_elsewhere_is_no_age() -> None:
    assert step(book(), at("report.danger"), "14", lambda _: world(), limit=USSD, now=NOON).is_invalid


# Typed answers


@pytest.mark.parametrize(
    "words",
    [
        *(
            "98",
            "1 day",
            "0 1",
            "00 x",
            "01",
            "o",
            "back",
            "leave",
            "at home * at school",
            "  leading blanks",
            "help",
            "STOP",
        ),
        *("\u202eabc", "\u200b\u200bx", "\U0001f600", "\ud83d", "4111 1111 1111 1111", "a b " * 16384),
        *("{emergency} %s {0}", "x\r\ny", "9" * 4301),
    ],
)
def test_words_are_kept_as_typed(words: str) -> None:
    found = step(book(), at("report.words"), words, lambda _: world(), limit=USSD, now=NOON)
    assert found.accepted and found.answer
    assert found.state.values == {"narrative": words}
    assert found.answer.typed


def test_nul_alone_is_replaced() -> None:
    assert took("report.words", "a\0b").values == {"narrative": "a\ufffdb"}


@pytest.mark.parametrize("reply", ["1", "１", "١", " 1 ", "1.", "1)", "1 = skip", "1=Skip", "skip", "Skip."])
def test_one_skips_where_the_screen_says_so(reply: str) -> None:
    state = took("report.words", reply)
    assert state.values == {"narrative": None}
    assert not state.answers[0].typed


@pytest.mark.parametrize("reply", ["", " ", "\t\n"])
def test_nothing_typed_shows_the_screen_again_and_is_never_a_skip(reply: str) -> None:
    found = step(book(), at("report.words"), reply, lambda _: world(), limit=USSD, now=NOON)
    assert found.is_invalid and found.state.screen == "report.words" and found.state.answers == ()


def test_zero_and_double_zero_as_the_whole_reply_go_back_and_leave() -> None:
    assert took("report.words", "0").screen == "home.home"
    assert step(book(), at("report.words"), "00", lambda _: world(), limit=USSD, now=NOON).has_left


# Back


def test_back_shows_the_screen_before_and_keeps_the_answer_out_of_force() -> None:
    phone = Phone()
    phone.chooses("Report", "No", "Missing child", "I saw this child")
    phone.types("0", "0")
    assert phone.state.screen == "report.category"
    assert [one.value for one in phone.state.answers] == ["no", "missing", "sighting"]
    assert phone.state.values == {"danger": "no"}
    phone.chooses("Photos online")
    assert phone.state.screen == "report.about"
    assert [one.value for one in phone.state.answers] == ["no", "missing", "sighting", "images"]
    assert phone.state.in_force == {0, 3}


@pytest.mark.parametrize(
    ("end", "menu"),
    [("my.written", "my.state"), ("my.spoken", "my.state"), ("tips_parents.all_well", "tips_parents.menu")],
)
def test_back_to_a_screen_that_was_passed_does_not_lead_forward_again(end: str, menu: str) -> None:
    before, between = ("home.home", -1), ("my.write", -1)
    there = FlowState(end, trail=(before, (menu, -1), between))
    back = step(book(), there, "0", lambda _: world(), limit=USSD, now=NOON).state
    assert (back.screen, back.trail) == (menu, (before,))
    assert step(book(), back, "0", lambda _: world(), limit=USSD, now=NOON).state.screen == "home.home"


@pytest.mark.parametrize("reply", ["1", "2"])
def test_after_the_five_questions_0_names_the_menu_that_it_shows(reply: str) -> None:
    phone = Phone(at="tips_parents.five")
    assert "\n0 For parents" in phone.types("1", *[reply] * 5)
    assert phone.types("0").startswith("For parents\n1 Signs")


def test_back_to_a_screen_that_was_passed_keeps_what_was_answered_before_it() -> None:
    language = Answer("language.choose", "language", "bi", typed=False, at=NOON)
    trail = (("home.home_sms", -1), ("language.choose", 0), ("home.home_sms", -1))
    there = FlowState("tips_young.who_sms", trail=trail, answers=(language,))
    back = step(book(), there, "0", lambda _: world(), limit=LIMITS["sms"], now=NOON).state
    assert (back.screen, back.values, back.trail) == ("home.home_sms", {"language": "bi"}, trail[:2])


def test_back_goes_through_pages_first() -> None:
    phone = Phone()
    phone.chooses("Report", "No")
    phone.types("98")
    assert "8 No care or food" in phone.text
    assert "1 Hurt, touched, forced" in phone.types("0")
    assert "Are you or a child in danger?" in phone.types("0")


def test_zero_leaves_where_a_conversation_begins() -> None:
    for screen in ("home.home", "home.home_sms"):
        assert step(book(), initial_state(book(), screen), "0", lambda _: world(), limit=USSD, now=NOON).has_left
        passed = FlowState(screen, trail=(("language.choose", -1),))
        assert step(book(), passed, "0", lambda _: world(), limit=USSD, now=NOON).has_left
    phone = Phone()
    assert phone.types("1", "0", "0") == "Thank you. Goodbye."


@pytest.mark.rule("S-12")
def test_zero_deletes_nothing_where_leaving_would() -> None:
    found = step(book(), initial_state(book(), "home.first_words"), "0", lambda _: world(), limit=USSD, now=NOON)
    assert found.is_invalid and not found.has_left


@pytest.mark.parametrize(
    ("screen", "line", "key"),
    [
        ("report.danger", "1 Now", "1"),
        ("report.danger", "1. now", "1"),
        ("report.danger", "(1)", "1"),
        ("report.danger", "0 Back", "0"),
        ("report.category", "98 More", "98"),
        ("report.place", "1 Malampa", "1"),
        ("report.place", "2) Penama", "2"),
        ("report.place", "0 Back", "0"),
        ("report.sent_menu", "0 Done", "0"),
        ("report.words", "0 Back", "0"),
        ("report.sent", "0 Done", "0"),
        ("report.sent", "1 = skip", "1"),
        ("my.code_or_words", "1 = add words", "1"),
        ("my.later_on", "1 = done", "1"),
        ("my.later_on", "done", "1"),
        ("report.words", "00 Leave", "00"),
    ],
)
def test_a_line_as_shown_is_its_key(screen: str, line: str, key: str) -> None:
    by_line, by_key = (
        step(book(), at(screen), reply, lambda _: world(), limit=USSD, now=NOON) for reply in (line, key)
    )
    assert by_line == by_key and by_line.accepted


@pytest.mark.parametrize("reply", ["2 Malampa", "1 Penama", "1 Malampa please", "5 Back"])
def test_another_key_before_a_label_is_not_guessed_at(reply: str) -> None:
    assert step(book(), at("report.place"), reply, lambda _: world(), limit=USSD, now=NOON).is_invalid


@pytest.mark.rule("S-07")
@pytest.mark.parametrize("channel", ["ussd", "sms"])
def test_code_and_pin_are_not_shown_again_by_back(channel: str) -> None:
    phone = Phone(world({"channel": channel}), at="home.home" if channel == "ussd" else "home.home_sms")
    phone.chooses("Report", "No", "Something else", "Skip", "Not sure", "Other / skip")
    if channel == "sms":
        phone.types("some words")
    phone.chooses("No", "Send")
    if channel == "sms":
        assert "4821" not in phone.text
        phone.chooses("Within 5 min: code to read answers. It stays in texts.")
    assert "4821 9303" in phone.text
    phone.types("1") if channel == "ussd" else phone.chooses("Add more")
    shown = [phone.types("0") for _ in range(3)]
    assert not any("4821" in text for text in shown)
    assert shown[0].startswith("Add more?") if channel == "ussd" else phone.over


# Wrong replies


def test_the_third_wrong_reply_in_a_row_brings_the_numbers_and_then_the_screen_again() -> None:
    phone = Phone()
    phone.chooses("Report")
    danger = phone.text
    assert phone.types("7") == f"Sorry, try again.\nIn danger? Call police 111.\n{danger}"
    assert phone.types("7") == f"Sorry, try again.\nIn danger? Call police 111.\n{danger}"
    notice_ = phone.types("7")
    assert notice_.startswith("In danger? Call police 111. Pikinini Helpline: call 163.\nTo answer,")
    assert phone.types("x") == notice_
    assert phone.types("1") == danger
    assert phone.chooses("Not now, but soon").startswith("What happened?")


@pytest.mark.rule("S-02")
@pytest.mark.rule("S-09")
@pytest.mark.parametrize("reply", ["yes", "Yes!", "YES."])
def test_a_yes_to_the_question_about_danger_is_now(reply: str) -> None:
    phone = Phone()
    phone.chooses("Report")
    assert phone.types(reply).startswith("Call police 111 now.")
    assert phone.types("0").startswith("Are you or a child in danger?"), "who meant another answer can go back"


@pytest.mark.parametrize("reply", ["0", "go on", "1"])
def test_the_notice_never_loses_the_screen_it_covers(reply: str) -> None:
    phone = Phone()
    phone.types("1", "x", "x", "x", reply)
    assert phone.text.startswith("Are you or a child in danger?")


def test_an_accepted_answer_sets_the_count_back() -> None:
    phone = Phone()
    phone.types("1", "x", "x", "2", "x", "x")
    assert phone.text.startswith(("Sorry", "What happened?"))
    assert phone.state.wrong == 2


def test_a_wrong_key_is_said_on_a_full_screen_too_and_pushes_no_choice_away() -> None:
    phone = Phone()
    phone.chooses("Report", "No")
    heading, *choices = phone.text.split("\n")
    assert heading == "What happened?"
    assert phone.types("x").split("\n") == ["Sorry, try again.", *choices[:-1]], "Leave is the line that can be spared"


# Words instead of a choice


@pytest.mark.parametrize(
    ("reply", "meant"), [("abcdefghijkl", True), ("a b c d e f g h i j k l", True), ("abcdefghijk", False)]
)
def test_words_of_twelve_letters_are_kept(reply: str, meant: bool) -> None:
    found = step(book(), at("report.danger"), reply, lambda _: world(), limit=USSD, now=NOON)
    assert found.is_invalid
    assert [one.text for one in found.state.unasked] == ([reply] if meant else [])
    assert is_free_text(reply) is meant
    covered = step(book(), at("report.danger", wrong=3), reply, lambda _: world(), limit=USSD, now=NOON)
    assert bool(covered.state.unasked) is meant
    home = step(book(), initial_state(book(), "home.home_sms"), reply, lambda _: world(), limit=USSD, now=NOON)
    assert home.is_invalid and bool(home.state.unasked) is meant


@pytest.mark.parametrize("screen", ["my.code", "my.pin"])
def test_words_where_a_code_was_asked_are_kept_and_try_no_code(screen: str) -> None:
    """Found by the fuzzer: the words were treated as a code, and forgotten as codes are."""
    found = step(book(), at(screen), "he is at the door again", lambda _: world(), limit=USSD, now=NOON)
    assert found.is_invalid and found.effect is None
    assert [one.text for one in found.state.unasked] == ["he is at the door again"]
    assert not step(book(), at(screen), "4821 9303", lambda _: world(), limit=USSD, now=NOON).is_invalid


def test_digits_and_signs_are_no_letters() -> None:
    assert not is_free_text("1234567890 1234567890 !!!!")
    assert not is_free_text("\u2764\ufe0f" * 20), "hearts, each with a sign that chooses its form"


# "The cat is on the tree" and "please help me"; then short greetings, as "hello" and "how are you".
MEANT_IN_EACH_SCRIPT = {
    "Hindi": (["बिल्ली पेड़ पर है", "कृपया मेरी मदद करो"], ["नमस्ते", "आप कैसे हैं", "हेलो जी"]),
    "Amharic": (["ድመቷ ዛፍ ላይ ናት", "እባክህ እርዳኝ"], ["ሰላም", "ጤና ይስጥልኝ", "እንዴት ነህ"]),
    "Thai": (["แมวอยู่บนต้นไม้", "ช่วยฉันด้วยนะคะ"], ["สวัสดี", "สวัสดีครับ", "สวัสดีค่ะ"]),
    "Chinese": (["猫在树上", "请帮帮我"], ["你好", "您好吗", "早上好"]),
    "Japanese": (["猫は木の上にいる", "たすけてください"], ["こんにちは", "元気ですか"]),
    "Korean": (["고양이가 나무 위에 있어요"], ["안녕하세요", "여보세요"]),
    "Arabic": (["القطة على الشجرة", "أرجوك أن تساعدني"], ["مرحبا", "السلام عليكم", "كيف حالك"]),
    "Fijian": (["e tiko na pusi e na kau", "yalovinaka vukei au"], ["bula", "ni sa bula", "bula vinaka"]),
    "English": (["the cat is on the tree", "please help me"], ["hello", "how are you", "r u there"]),
}


@pytest.mark.parametrize("language", MEANT_IN_EACH_SCRIPT)
def test_short_sentences_are_words_and_greetings_are_not_in_every_script(language: str) -> None:
    sentences, greetings = MEANT_IN_EACH_SCRIPT[language]
    assert [text for text in sentences if not is_free_text(text)] == []
    assert [text for text in greetings if is_free_text(text)] == []


@pytest.mark.rule("S-12")
@pytest.mark.parametrize("said", ["help me", "他打我", "救我", "ช่วยด้วย", "助けて", "たすけて", "እባክህ እርዳኝ"])
def test_in_danger_a_short_sentence_is_stored_in_a_script_without_spaces_too(said: str) -> None:
    phone = Phone()
    phone.chooses("Report"), phone.chooses("Now"), phone.types(said)
    assert [text.text for text in phone.state.unasked] == [said]


@pytest.mark.parametrize("said", ["ok", "hello", "ครับ", "好", "はい", "ሰላም", "\u2764\ufe0f" * 20, "😢😢🆘"])
def test_one_word_and_signs_are_no_sentence(said: str) -> None:
    assert not is_sentence(said)


def test_a_mark_on_a_latin_letter_is_no_letter() -> None:
    """Some phones send a letter and its mark one after the other."""
    assert not is_free_text(unicodedata.normalize("NFD", "mālō ē lēlēi"))


# Effects


def test_an_effect_waits_on_its_screen_until_its_outcome_is_known() -> None:
    asked = step(book(), at("report.send"), "1", lambda _: world(), limit=USSD, now=NOON)
    assert (asked.effect, asked.state.screen, asked.state.values["send"]) == ("send", "report.send", "send")
    words_first = world({"words_before_send": "yes"})
    assert apply_outcome(book(), asked.state, "sent", lambda _: words_first).screen == "report.sent_menu"
    assert apply_outcome(book(), asked.state, "not_sent", lambda _: world()).screen == "home.not_sent"
    again = step(book(), asked.state, "1", lambda _: world(), limit=USSD, now=NOON)
    assert len(again.state.trail) == len(asked.state.trail)
    assert step(book(), asked.state, "0", lambda _: world(), limit=USSD, now=NOON).state.screen == "home.home"


def test_delete_stands_away_from_send_and_ends() -> None:
    phone = Phone()
    phone.chooses("Report", "No", "Something else", "Skip", "Not sure", "Other / skip", "No")
    phone.types("3")
    assert phone.last and phone.last.is_invalid
    assert phone.types("9") == "Deleted: what you told us now."
    assert phone.effects == ["delete"] and phone.over


def test_offices_are_left_out_one_by_one_until_nobody_is_left() -> None:
    phone = Phone()
    phone.chooses("Report", "No", "Something else", "Skip", "Not sure", "Other / skip", "No", "Leave one out")
    assert phone.chooses("Pikinini Helpline").startswith("Send to Women's Centre without your number?")
    phone.chooses("Leave one out", "Women's Centre", "Leave one out")
    assert phone.chooses("Vanuatu Police").startswith("No other office can take this here.")
    assert phone.state.many("avoid") == ("vu-pikinini", "vu-women", "vu-police")
    phone.chooses("Send it to Pikinini Helpline after all")
    assert phone.effects == ["send"]
    assert phone.state.values["send"] == "after_all"


def test_back_takes_a_left_out_office_in_again() -> None:
    phone = Phone()
    phone.chooses(
        "Report", "No", "Something else", "Skip", "Not sure", "Other / skip", "No", "Leave one out", "Pikinini Helpline"
    )
    phone.types("0")
    assert phone.state.many("avoid") == ()
    assert phone.types("0").startswith("Send to Pikinini Helpline")


# Places from data


def many(count: int) -> tuple[Option, ...]:
    return tuple(Option(f"XX-{n:02}", f"Island {n}") for n in range(1, count + 1))


def test_places_start_at_one_on_each_page_and_may_be_named_on_any() -> None:
    phone = Phone(world(lists={"places": many(14)}))
    phone.chooses("Report", "No", "Something else", "Me", "Rather not say")
    first = phone.text.split("\n")
    assert first[1] == "1 Island 1" and first[-3:-1] == ["98 More", "0 Back"]
    second = phone.types("98").split("\n")
    assert second[1].startswith("1 Island ") and "Other / skip" in second[-3] + second[-2]
    name = second[1].partition(" ")[2]
    phone.types("1")
    assert phone.state.values["place"] == next(one.value for one in many(14) if one.say == name)
    phone.types("0", "island 13")
    assert phone.state.values["place"] == "XX-13"


def test_the_last_option_skips_the_place_on_each_page() -> None:
    for page in (0, 1):
        phone = Phone(world(lists={"places": many(14)}))
        phone.chooses("Report", "No", "Something else", "Me", "Rather not say")
        phone.types(*["98"] * page)
        key = next(line for line in phone.text.split("\n") if line.endswith("Other / skip")).partition(" ")[0]
        phone.types(key)
        assert phone.state.values["place"] is None and phone.state.screen == "report.contact"


def test_after_send_the_place_within_the_group_is_asked() -> None:
    class Groups(Phone):
        def context_for(self, state: FlowState) -> ScreenContext:
            inside = many(3) if state.values.get("place") == "Coast" else ()
            return world(lists={"places": (), "place_groups": (Option("Coast", "Coast"),), "places_in_group": inside})

    phone = Groups()
    phone.chooses("Report", "No", "Something else", "Me", "Rather not say", "Coast", "No", "Send")
    assert phone.types("1").startswith("Where are you?\n1 Island 1")
    phone.chooses("Island 2")
    assert phone.state.values["place"] == "XX-02"


# My report


def test_code_and_pin_are_forgotten_when_the_walk_leaves_them() -> None:
    phone = Phone(outcomes={**Phone().outcomes, "open": "wrong"})
    phone.chooses("My report")
    phone.types("48219303", "7351")
    assert phone.state.values == {"code": "48219303", "pin": "7351"}
    phone.chooses("New report")
    assert phone.state.screen == "report.danger" and phone.state.answers == ()
    phone.types("0")
    assert phone.state.screen == "my.wrong"
    again = Phone()
    again.chooses("My report")
    again.types("48219303", "0")
    assert again.state.screen == "my.code_or_words" and again.state.answers == ()


@pytest.mark.parametrize(
    "facts", [{"channel": "sms"}, {"channel": "voice"}, {"contactable": "no"}, {"rescue": "no"}], ids=str
)
def test_words_without_a_code_are_offered_by_ussd_where_phone_and_recipient_are_known(facts: dict[str, str]) -> None:
    choice = step(book(), FlowState("home.home"), "3", lambda _: world(facts), limit=USSD, now=NOON)
    assert choice.state.screen == "my.code"
    assert took("home.home", "3").screen == "my.code_or_words"
    assert took("my.code_or_words", "1").screen == "my.later"
    assert took("my.code_or_words", "48219303").screen == "my.pin"


def test_a_code_longer_than_any_is_a_wrong_one_and_is_not_kept() -> None:
    phone = Phone()
    phone.chooses("My report")
    assert phone.types("4" * 5000).startswith("Sorry, try again.")
    assert phone.state.answers == () and phone.state.unasked == ()


def test_the_state_of_a_report_is_told_and_nothing_of_the_report() -> None:
    phone = Phone(world({"report_state": "accepted"}))
    phone.chooses("My report")
    phone.types("48219303")
    lines = phone.types("7350").split("\n")
    assert lines[0] == "Read by Pikinini Helpline. In danger? Call police 111."
    assert lines[1:6] == ["1 Messages (2)", "2 Write", "3 Contact", "4 Delete", "0 Back"]


def test_help_near_me_leads_by_district_to_a_number_and_to_the_report() -> None:
    phone = Phone()
    phone.chooses("Safety tips", "Help near me")
    assert phone.state.screen == "help.place"
    assert phone.chooses("Sanma").startswith("Help near you")
    assert "000 0002" in phone.chooses("Health centre")
    phone.chooses("Report")
    assert phone.state.screen == "report.danger"


def test_where_no_office_is_known_the_helpline_is_named() -> None:
    phone = Phone(world({"services": "none"}), at="help.place")
    assert "Pikinini Helpline 163" in phone.chooses("Torba")


@pytest.mark.parametrize("replies", [["4"], ["1"], ["2"], ["3"]])
def test_who_answers_if_it_helped_and_who_skips_see_the_report_next(replies: list[str]) -> None:
    phone = Phone(world({"report_state": "closed"}), outcomes={**OUTCOMES, "open": "closed"})
    phone.chooses("My report")
    phone.types("48219303", "7350")
    assert phone.state.screen == "my.helped"
    assert phone.types(*replies).startswith("Closed by Pikinini Helpline. You can write more.")


# A redial


@pytest.mark.rule("S-04")
@pytest.mark.rule("S-06")
def test_a_walk_carried_on_shows_what_a_fresh_one_shows() -> None:
    before, fresh, carried = Phone(), Phone(), Phone()
    labels = ["Report", "Not now, but soon", "Bullying, threats", "Another child", "10-12", "Tafea", "No"]
    before.chooses(*labels[:6])
    for number, label in enumerate(labels):
        assert carried.text == fresh.text
        if number == 3:
            carried.state = prepend_answers(carried.state, before.state.answers)
        fresh.chooses(label)
        carried.chooses(label)
    assert carried.text == fresh.text
    assert carried.state.values == fresh.state.values
    assert carried.state.answers[: len(before.state.answers)] == before.state.answers
    assert carried.state.answers[-1].value == "none"


def test_answers_of_an_earlier_draft_take_no_place_in_the_trail() -> None:
    phone = Phone()
    phone.chooses("Report", "No", "Missing child")
    earlier = (replace(phone.state.answers[0], value="now"),)
    resumed = prepend_answers(phone.state, earlier)
    assert resumed.answers == (*earlier, *phone.state.answers)
    assert resumed.trail == (("home.home", -1), ("report.danger", 1), ("report.category", 2))
    assert resumed.values == phone.state.values == {"danger": "no", "category": "missing"}


def test_an_answer_says_whether_it_was_typed_or_chosen() -> None:
    chosen = step(book(), at("report.danger"), "1", lambda _: world(), limit=USSD, now=NOON)
    typed = step(book(), at("my.code"), "48219303", lambda _: world(), limit=USSD, now=NOON)
    assert chosen.answer and typed.answer
    assert (chosen.answer.typed, typed.answer.typed) == (False, True)


def test_no_choice_and_no_typed_word_comes_back_on_a_later_screen() -> None:
    phone = Phone(world({"words_before_send": "yes"}))
    phone.chooses("Report", "Not now, but soon", "Hurt, touched, forced", "My child", "6-9", "Malampa")
    later = [phone.types("the blue boat called Wanderer"), phone.chooses("No"), phone.chooses("Send")]
    for text in later:
        assert not any(word in text for word in ("Wanderer", "Malampa", "Hurt", "6-9", "My child", "Soon"))


@pytest.mark.rule("S-10")
def test_the_last_screen_after_leaving_is_the_same_for_everybody() -> None:
    assert (
        render_notice(book(), "home.goodbye", world(fields=dict.fromkeys(FIELDS)), USSD).text == "Thank you. Goodbye."
    )
