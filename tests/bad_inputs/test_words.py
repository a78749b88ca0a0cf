"""Words that look like code. They are stored exactly as typed, and have no effect on the way to the hotline.

tests/console/test_words_stay_words.py tests what staff see of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.bad_inputs.row import TO_WORDS, TO_WORDS_SMS, Row
from tests.support.installation import Installation
from tests.support.wait import until
from tests.workers.fake_http_server import FakeHttpServer

pytestmark = pytest.mark.slow


Kept = Callable[[Row, str, str], None]


@pytest.fixture(scope="module")
def kept(faulty_installation: Installation) -> Iterator[Kept]:
    """Return a function that sends a report with these words by one channel.

    After the last test, check that the hotline has all of them as typed.
    """
    sent: dict[str, str] = {}

    def keep(row: Row, by: str, words: str) -> None:
        if by == "sms":
            row.texts().walk(*TO_WORDS_SMS, words, "No", "Send")
        else:
            call = row.call(by)
            call.walk(*TO_WORDS)
            assert not call.type(words).startswith("Tell us")
            call.phone.drop_call()  # so that the added words are sent now
        report = row.report()
        assert report["narrative"] == words
        sent[report["report_id"]] = words

    def arrived() -> bool:
        newest = {line["body"]["data"]["report_id"]: line["body"]["data"] for line in faulty_installation.received()}
        return all(newest.get(one, {}).get("narrative") == words for one, words in sent.items())

    yield keep
    until(arrived, "some words never came to the hotline as they were typed")


by_each = pytest.mark.parametrize("by", ["africastalking", "ussd", "sms"])


@pytest.mark.rule("B-32")
@by_each
@pytest.mark.parametrize(
    "words",
    [
        "<script>alert(1)</script><img src=x onerror=alert(1)>",
        "'); DROP TABLE report;--",
        '"]}\\u0000,{"danger":"now"}',
    ],
)
def test_markup_and_sql(row: Row, kept: Kept, by: str, words: str) -> None:
    kept(row, by, words)
    assert row.stored_data.rows("SELECT count(*) FROM report")[0][0] > 0


@pytest.mark.rule("B-33")
@by_each
@pytest.mark.parametrize("words", ["{{7*7}} ${7*7} %s %(x)s {0} {narrative}", "%d{emergency}%%n{{{", "$(id) `id` ;id"])
def test_templates(row: Row, kept: Kept, by: str, words: str) -> None:
    kept(row, by, words)


@pytest.mark.rule("B-34")
@by_each
@pytest.mark.parametrize(
    "words",
    [
        '=HYPERLINK("http://192.0.2.1","x")',
        "+ once a week",
        "- at night, often",
        "@school, by a friend",
        "\tafter a tab",
        "\rafter a return",
    ],
)
def test_formulas(row: Row, kept: Kept, by: str, words: str) -> None:
    kept(row, by, words)


@pytest.mark.rule("B-35")
@by_each
@pytest.mark.parametrize("words", ["ok\nERROR fake line", "\r\nSet-Cookie: a=b", 'ok"}\n{"event":"started"}'])
def test_lines_of_a_log_and_headers(row: Row, kept: Kept, by: str, words: str) -> None:
    kept(row, by, words)
    for where, text in row.stored_data.everywhere():
        assert b"fake line" not in text, where


@pytest.mark.rule("B-36")
@by_each
def test_headers_of_mail(row: Row, kept: Kept, by: str) -> None:
    kept(row, by, "x\r\nBcc: someone@example.org\r\n\r\nhello")


@pytest.mark.rule("B-37")
@by_each
def test_addresses(row: Row, kept: Kept, by: str) -> None:
    """Nothing fetches them: the test listens at one of the addresses until the hotline has the words."""
    with FakeHttpServer() as trap:
        words = f"look at http://{trap.host_port}/ and http://169.254.169.254/latest/ and file:///etc/passwd"
        kept(row, by, words)
        report_id = row.report()["report_id"]
        row.installation.until_received(
            lambda lines: any(
                (line["body"]["data"]["report_id"], line["body"]["data"].get("narrative")) == (report_id, words)
                for line in lines
            ),
            "the words never came to the hotline",
        )
        assert trap.connections == 0


def test_the_search_would_find_them(row: Row) -> None:
    """Control: each searched place contains text that must be there in clear."""
    row.texts().send("hi")
    held = dict(row.stored_data.everywhere())
    assert b'"started"' in held["the log of web"]
    assert b"tokaut_requests_unauthenticated_total" in held["/metrics"]
    assert b"africastalking" in held["tokaut.db"] + held["tokaut.db-wal"]
    assert b"s:" in held["Redis"]
    row.call().walk(*TO_WORDS)
    written = row.report()["report_id"].encode()
    changed = dict(row.stored_data.everywhere(row.databases_before))
    assert written in changed["tokaut.db"] + changed["tokaut.db-wal"]


WORDS = "he is standing at the door now"


@pytest.mark.parametrize(
    ("replies", "screen", "completeness"),
    [
        (("Report", "Now", "Go on", "Bullying, threats"), "report.place_me", "incomplete"),
        ((*TO_WORDS, "first words", "1"), "more.threat", "complete"),
    ],
    ids=["in danger, and the line drops", "after Send"],
)
def test_words_where_a_choice_is_asked(row: Row, replies: tuple[str, ...], screen: str, completeness: str) -> None:
    """They are no answer, and nothing follows them: they are part of the incomplete report or the next update."""
    call = row.call()
    asked = call.walk(*replies)
    assert call.type(WORDS).endswith(asked)
    call.phone.drop_call()
    report = row.report()
    assert report["completeness"] == completeness
    assert [(one["screen"], one["text"]) for one in report["unasked"]] == [(screen, WORDS)]
