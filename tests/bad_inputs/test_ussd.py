"""USSD: repeated, skipped and strange replies, and strange numbers."""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlencode

import pytest

from tests.bad_inputs.row import ANYWHERE, HOME, SAFE, SORRY, TO_CATEGORY, TO_SEND, TO_SENT, TO_WORDS, Row, choices
from tests.support.handsets import AfricasTalking
from tests.support.wait import until

pytestmark = pytest.mark.slow

SESSIONS = itertools.count(1)
CATEGORY = "CON What happened?"
OWN_WORDS = "Sent to Pikinini Helpline"  # the screen for words


def session() -> str:
    return f"ATUid_u{next(SESSIONS)}"


def to(*labels: str) -> str:
    """Return a path as Africa's Talking sends it."""
    return "*".join(labels)


@pytest.mark.rule("B-10")
def test_a_repeat_is_one_step(row: Row) -> None:
    call = row.call()
    first = call.walk("Report")
    assert [call.phone.again().text for _ in range(5)] == [first] * 5
    assert call.type("No").startswith("What happened?")


@pytest.mark.rule("B-11")
def test_send_twenty_times_at_the_same_moment(row: Row) -> None:
    call = row.call()
    call.walk(*TO_SEND)
    assert isinstance(call.phone, AfricasTalking)
    call.phone.path.append("Send")
    form = {**row.form(to(*call.phone.path)), "sessionId": call.phone.session}
    with ThreadPoolExecutor(20) as pool:
        said = set(pool.map(lambda _: row.said(row.post("africastalking/T/ussd", form)), range(20)))
    [answer] = said
    assert answer.startswith("CON Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
    report_id = row.report()["report_id"]
    assert row.stored_data.rows("SELECT count(*) FROM mailbox WHERE report_id = ?", report_id) == [(1,)]
    assert row.stored_data.rows("SELECT hotline, type FROM delivery WHERE report_id = ?", report_id) == [
        ("vu-pikinini", "created")
    ]


@pytest.mark.rule("B-12")
@pytest.mark.parametrize("words", ["at home * at school", "*at home", "at school*", "1*2*3 is my code", "***********"])
def test_a_star_in_the_words(row: Row, words: str) -> None:
    call = row.call()
    call.walk(*TO_WORDS)
    asked = call.type(words)
    assert not asked.startswith(OWN_WORDS)
    assert row.report()["narrative"] == words
    following = call.type("1")
    assert following not in (asked, f"{SORRY}\n{asked}")
    assert row.report()["narrative"] == words


@pytest.mark.rule("B-13")
def test_an_empty_reply_in_the_middle(row: Row) -> None:
    one = session()
    danger = row.ussd("1", sessionId=one)
    again = row.ussd("1*", sessionId=one).replace(f"{SORRY}\n", "")
    assert again == danger.replace("CON ", "CON In danger? Call police 111.\n")
    assert row.ussd("1**No", sessionId=one).startswith(CATEGORY)
    assert row.ussd("1**No", sessionId=session()).startswith(CATEGORY)  # a new session: replayed from home


@pytest.mark.rule("B-13")
def test_an_empty_reply_is_never_a_skip(row: Row) -> None:
    call = row.call()
    call.walk(*TO_WORDS)
    assert "1 = skip" in call.type("")
    call.type("it happens at home")
    assert row.report()["narrative"] == "it happens at home"


@pytest.mark.rule("B-14")
def test_a_path_that_goes_back(row: Row) -> None:
    one = session()
    for text in ("", "1", "1*3"):
        current = row.ussd(text, sessionId=one)
    odd = row.stored_data.figure("out_of_order_turns")
    assert row.ussd("1", sessionId=one) == current
    assert row.ussd("2", sessionId=one) == current
    assert row.stored_data.figure("out_of_order_turns") == odd + 2
    assert row.ussd("", sessionId=one).startswith("CON " + HOME)


@pytest.mark.rule("B-15")
@pytest.mark.parametrize("reply", ["", "1", "Report*No"])
def test_another_number_with_the_same_session_id(row: Row, reply: str) -> None:
    call = row.call()
    call.walk(*TO_WORDS)
    asked = call.type("someone follows me home")
    assert isinstance(call.phone, AfricasTalking)
    other = row.new_phone()
    said = row.ussd(reply, sessionId=call.phone.session, phoneNumber=other)
    fresh = row.ussd(reply, sessionId=session(), phoneNumber=row.new_phone())
    assert said == fresh
    whole = row.ussd(to(*call.phone.path, "Done"), sessionId=call.phone.session, phoneNumber=row.new_phone())
    assert "Code" not in whole
    assert call.phone.again().text == asked
    assert call.type("1") != asked


@pytest.mark.rule("B-16")
def test_two_calls_of_one_number_at_once(row: Row) -> None:
    one, two = row.call(), row.call()
    one.walk(*TO_CATEGORY)
    two.walk(*TO_CATEGORY)
    for mine, yours in zip(
        (*TO_SENT[2:], "words of the first call"),
        ("Something else", *TO_SENT[3:], "words of the second call"),
        strict=True,
    ):
        one.type(mine)
        two.type(yours)
    told = {(report["category"], report["narrative"]) for report in row.reports()}
    assert told == {("bullying", "words of the first call"), ("other", "words of the second call")}


@pytest.mark.rule("B-17")
def test_the_start_twice(row: Row) -> None:
    one = session()
    first = row.ussd("", sessionId=one)
    assert first.startswith("CON " + HOME)
    assert row.ussd("", sessionId=one) == first
    assert row.ussd("1", sessionId=one).startswith("CON Are you or a child in danger?")
    assert row.ussd("", sessionId=one) == first


@pytest.mark.rule("B-18")
@pytest.mark.parametrize("first", ["*111*163#", "111*163", "*111*163", "111*163#", "163"])
def test_the_code_as_the_first_reply(row: Row, first: str) -> None:
    one = session()
    assert row.ussd(first, sessionId=one).startswith("CON " + HOME)
    assert row.ussd(f"{first}*1", sessionId=one).startswith("CON Are you or a child in danger?")
    assert row.ussd(f"{first}*1*No", sessionId=one).startswith(CATEGORY)
    assert row.ussd(f"{first}*1*No", sessionId=session()).startswith(CATEGORY)


def at_category(row: Row, reply: str) -> tuple[str, str]:
    """Return the screen with the categories, and the one after `reply`."""
    one = session()
    shown = row.ussd(to(*TO_CATEGORY), sessionId=one)
    assert shown.startswith(CATEGORY)
    return shown, row.ussd(to(*TO_CATEGORY, reply), sessionId=one)


def asks_again(said: str, shown: str) -> bool:
    """Return whether the reply was refused with a visible sign, and the same choices are open."""
    return said.startswith((f"CON {SORRY}\n", "CON ? ")) and choices(said) == choices(shown)


@pytest.mark.rule("B-19")
@pytest.mark.parametrize("reply", ["01", "001", "1.5", "-1", "+1", "99", " ", "1,2", "1 2", "0x1", "one"])
def test_nothing_is_guessed(row: Row, reply: str) -> None:
    shown, said = at_category(row, reply)
    assert asks_again(said, shown)


@pytest.mark.rule("B-20")
@pytest.mark.parametrize("reply", ["1 ", " 1", "１", "١", "१", "\t1\n", "1,", "1."])
def test_a_digit_is_a_digit_in_any_script(row: Row, reply: str) -> None:
    """Blanks and signs around it do not count, as by SMS: it can mean no other key."""
    _, said = at_category(row, reply)
    assert said.startswith("CON Who is this about?")
    assert at_category(row, "Hurt, touched, forced")[1] == said


@pytest.mark.rule("B-19")
def test_a_blank_after_the_digit_is_no_fault(row: Row) -> None:
    assert at_category(row, "1 ")[1] == at_category(row, "1")[1]


@pytest.mark.rule("B-21")
@pytest.mark.parametrize("reply", ["1" * 4301, "0" * 4301, "-" + "9" * 5000, "１" * 4301])
def test_a_number_that_python_would_not_read(row: Row, reply: str) -> None:
    row.is_silent(reply)
    shown, said = at_category(row, reply)
    assert asks_again(said, shown)


@pytest.mark.rule("B-22")
def test_very_long_words(row: Row) -> None:
    """A network gives up after 5 s; a lower limit would measure this machine. The benchmark measures speed."""
    words = "a b " * 16_384
    slow = row.stored_data.figure("answers_over_5s")
    call = row.call()
    call.walk(*TO_WORDS)
    assert not call.type(words).startswith(OWN_WORDS)
    report = row.report()
    assert report["narrative"] == words
    call.phone.drop_call()
    row.installation.until_received(
        lambda lines: any(
            line["body"]["data"]["report_id"] == report["report_id"] and line["body"]["data"]["narrative"] == words
            for line in lines
        ),
        "the long words never came to the hotline",
    )
    assert row.stored_data.figure("answers_over_5s") == slow


@pytest.mark.rule("B-23")
@pytest.mark.parametrize("typed", [b"caf\xe9", b"caf%E9", b"caf%C3%A9", "café".encode()])
def test_words_in_another_encoding(row: Row, typed: bytes) -> None:
    call = row.call()
    call.walk(*TO_WORDS)
    assert isinstance(call.phone, AfricasTalking)
    path = quote(to(*call.phone.path)).encode() + b"*"
    body = urlencode({**row.form(""), "sessionId": call.phone.session}).removesuffix("text=").encode()
    kind = "application/x-www-form-urlencoded"
    said = row.said(row.post("africastalking/T/ussd", body + b"text=" + path + typed, Content_Type=kind))
    assert OWN_WORDS not in said
    assert row.report()["narrative"] == "café"
    again = row.said(row.post("africastalking/T/ussd", body + b"text=" + path + typed + b"*1", Content_Type=kind))
    assert again not in (said, said.replace("CON ", f"CON {SORRY}\n"))


@pytest.mark.rule("B-24")
@pytest.mark.parametrize(
    ("typed", "kept"),
    [("a\0b", "a\ufffdb"), ("a\u202eb", "a\u202eb"), ("a\u200bb", "a\u200bb"), ("\U0001f600", "\U0001f600")],
)
@pytest.mark.parametrize("channel", ["africastalking", "ussd"])
def test_characters_that_hide(row: Row, channel: str, typed: str, kept: str) -> None:
    call = row.call(channel)
    call.walk(*TO_WORDS)
    assert OWN_WORDS not in call.type(typed)
    assert row.report()["narrative"] == kept


@pytest.mark.rule("B-24")
def test_half_a_character_over_json(row: Row) -> None:
    call = row.call("ussd")
    call.walk(*TO_WORDS)
    assert OWN_WORDS not in call.type("half \ud83d of a sign")
    assert row.report()["narrative"] == "half \ud83d of a sign"


@pytest.mark.rule("B-25")
def test_a_field_twice(row: Row) -> None:
    one = session()
    home = row.ussd("", sessionId=one)
    twice = urlencode([*row.form("1", sessionId=one).items(), ("text", "2")])
    kind = "application/x-www-form-urlencoded"
    said = row.said(row.post("africastalking/T/ussd", twice, Content_Type=kind))
    assert said.replace(f"{SORRY}\n", "") == home
    form = [*row.form("", sessionId=session()).items()]
    same = urlencode([*form, ("phoneNumber", row.phone)])
    assert row.said(row.post("africastalking/T/ussd", same, Content_Type=kind)).startswith("CON " + HOME)
    other = urlencode([*form, ("phoneNumber", row.new_phone())])
    assert row.said(row.post("africastalking/T/ussd", other, Content_Type=kind)) == "END " + SAFE
    other = urlencode([*form, ("sessionId", session())])
    assert row.said(row.post("africastalking/T/ussd", other, Content_Type=kind)) == "END " + SAFE


@pytest.mark.rule("B-26")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"networkCode": None, "serviceCode": None}, "CON Are you or a child in danger?"),
        ({"newField": "1"}, "CON Are you or a child in danger?"),
        ({"sessionId": None}, "END " + SAFE),
        ({"sessionId": ""}, "END " + SAFE),
        ({"phoneNumber": None}, "CON Are you or a child in danger?"),
    ],
)
def test_fields_that_are_not_there(row: Row, changes: dict[str, str | None], said: str) -> None:
    assert row.ussd("1", **{"sessionId": session(), **changes}).startswith(said)


@pytest.mark.rule("B-26")
def test_no_text_is_the_start(row: Row) -> None:
    assert row.ussd(None, sessionId=session()).startswith("CON " + HOME)


@pytest.mark.rule("B-27")
def test_one_number_in_many_forms_is_one_person(row: Row) -> None:
    one, local = session(), row.phone.removeprefix("+678")
    row.is_silent(local)
    assert row.ussd("", sessionId=one).startswith("CON " + HOME)
    current = row.ussd("1", sessionId=one, phoneNumber=f" 678{local}")
    known = row.stored_data.figure("duplicate_turns")
    for times, form in enumerate((f"+678{local}", f"678{local}", f"00678{local}", local), 1):
        assert row.ussd("1", sessionId=one, phoneNumber=form) == current
        assert row.stored_data.figure("duplicate_turns") == known + times, "walked again, as for a stranger"
    assert row.ussd("1", sessionId=one, phoneNumber=row.new_phone()) == current
    assert row.stored_data.figure("duplicate_turns") == known + 4, (
        "another number is a stranger, whose screen is the same"
    )
    unescaped = urlencode(row.form("1*No", sessionId=one)).replace("%2B", "+")
    kind = "application/x-www-form-urlencoded"
    assert row.said(row.post("africastalking/T/ussd", unescaped, Content_Type=kind)).startswith(CATEGORY)


@pytest.mark.rule("B-27")
@pytest.mark.parametrize(
    ("number", "offered"),
    [("", False), ("a1" * 32, False), ("anonymous", False), ("+254711000111", True), ("+6785550101", True)],
)
def test_contact_is_offered_to_a_number_that_can_be_called(row: Row, number: str, offered: bool) -> None:
    one = session()
    said = row.ussd(to(*TO_SEND[:-1]), sessionId=one, phoneNumber=number)
    assert said.startswith("CON May staff contact you" if offered else "CON Send to Pikinini Helpline")
    path = TO_SEND[:-1]
    for label in ("SMS 7am-9pm", "Send") if offered else ("Send",):
        path = (*path, label)
        said = row.ussd(to(*path), sessionId=one, phoneNumber=number)
    assert said.startswith("CON Sent to ")
    report = row.report()
    assert report["country"] == "VU"
    assert report["contact"].get("msisdn") == (number if offered else None)


@pytest.mark.rule("B-27")
def test_a_sender_longer_than_any_is_served_with_the_numbers(row: Row) -> None:
    row.is_silent("9" * 500)
    assert row.ussd("", phoneNumber="9" * 500) == "END " + SAFE


@pytest.mark.rule("B-28")
@pytest.mark.parametrize("wrong", ["9", "who are you", "7.7"])
def test_three_wrong_answers(row: Row, wrong: str) -> None:
    call = row.call()
    danger = call.walk("Report")
    for _ in range(2):
        assert call.type(wrong).replace(f"{SORRY}\n", "") == f"In danger? Call police 111.\n{danger}"
    assert call.type(wrong).startswith("In danger? Call police 111. Pikinini Helpline: call 163.\nTo answer,")
    assert call.type("Go on") == danger
    assert call.type("No").startswith("What happened?")


@pytest.mark.rule("B-29")
def test_keys_where_words_are_typed(row: Row) -> None:
    narrative = {}
    for reply in ("98", "1", "0", "00"):
        call = row.call(phone=row.new_phone())
        call.walk(*TO_WORDS)
        before = set(row.stored_data.report_ids())
        narrative[reply] = call.type(reply)
        assert set(row.stored_data.report_ids()) == before
    assert sorted(str(report["narrative"]) for report in row.reports()) == ["98", "None", "None", "None"]
    assert OWN_WORDS not in narrative["98"]
    assert narrative["98"].startswith("Added.") and OWN_WORDS not in narrative["1"]  # both go on; only "98" was stored
    assert OWN_WORDS not in narrative["0"]
    assert narrative["0"] != narrative["1"]
    assert narrative["00"] == "Thank you. Goodbye."


def end(row: Row, session_id: str, **changes: str | None) -> tuple[int, bytes]:
    form = row.form("", **{"sessionId": session_id, "status": "Incomplete", "durationInMillis": "9000", **changes})
    answer = row.post("africastalking/T/ussd-end", form)
    return answer.status_code, answer.content


@pytest.mark.rule("B-30")
def test_the_end_of_an_unknown_session(row: Row) -> None:
    with row.nothing_kept():
        assert end(row, "ATUid_unknown") == (200, b"")
        assert end(row, "ATUid_unknown", status=None) == (200, b"")
        assert row.post("africastalking/T/ussd-end", b"\xff\xfe&&&==").status_code == 200
        assert row.post("africastalking/T/ussd-end", b"").status_code == 200


@pytest.mark.rule("B-30")
def test_the_end_hurries_a_draft_in_danger_and_ends_nothing(row: Row) -> None:
    call = row.call()
    call.walk("Report", "Now", "Go on", "Bullying, threats")
    assert isinstance(call.phone, AfricasTalking)
    for _ in range(2):
        assert end(row, call.phone.session) == (200, b"")
    report_id = row.report()["report_id"]
    filed = "SELECT count(*) FROM report WHERE report_id = ?"
    until(lambda: row.stored_data.rows(filed, report_id) == [(1,)], "the draft is not filed")
    assert end(row, call.phone.session) == (200, b"")
    assert call.type("Shefa").startswith("Who is this about?")  # the event came before the last answer
    for label in ("Me", "No", "Send"):
        call.type(label)
    assert call.screen.startswith("Sent to ")
    report = row.report()
    assert (report["report_id"], report["completeness"]) == (report_id, "complete")
    assert row.stored_data.rows(
        "SELECT count(*) FROM delivery WHERE report_id = ? AND type = 'created'", report_id
    ) == [(1,)]


@pytest.mark.rule("B-31")
@pytest.mark.parametrize(
    "body",
    [
        "x",
        "",
        "[]",
        '"text"',
        '{"session":"a","session":"b","text":"1"}',
        '{"session":"a","text":NaN}',
        '{"session":"a","text":Infinity}',
        "[" * 20_000,
        '{"a":' * 20_000,
        '{"session":"a","text":' + "1" * 5_000 + "}",
        '{"session":"a","text":["1"]}',
        '{"session":{"a":"b"},"text":"1"}',
        '{"session":"a","text":"1"} x',
        '{"session":"","text":"1"}',
        '{"text":"1"}',
        '{"session":"a","event":"lukaotem"}',
        json.dumps({"session": "a", "text": "x" * 65_536}),
        "\x00",
    ],
    ids=lambda body: body[:24],
)
@pytest.mark.parametrize("door", ["ussd/T", "simulator"])
def test_json_that_is_none(row: Row, door: str, body: str) -> None:
    unreadable = row.stored_data.figure("ussd_requests_unparsed")
    keys = row.stored_data.sessions()
    answer = row.post(door, body.encode())
    assert (answer.status_code, answer.json()) == (200, {"text": ANYWHERE, "continue": False})
    assert row.stored_data.figure("ussd_requests_unparsed") == unreadable + 1
    assert row.stored_data.sessions() <= keys
