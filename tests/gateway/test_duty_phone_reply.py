"""A duty phone that replies `OK` and a word: stored for the scheduler, without a reply or a session."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.conversation.sms import alert_contacts, listed, word_of
from reports.countries import country
from reports.countries.country import Countries
from reports.countries.hotline import PartnerCard
from reports.store.schema import tables as t
from runtime.time_units import SECOND
from tests.reports.sample import VU
from tests.safeguarding.call_paths import TO_SEND_SMS, send_texts
from tests.safeguarding.outages import redis_unavailable
from tests.support.app import App

DUTY, SHARED, MAIL = "+6785550171", "+6785550172", "drills@hotline.example"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("OK 482193", "482193"),
        ("ok482193", "482193"),
        (" Ok: 482 193. ", "482193"),
        ("OK-000042!", "000042"),
        ("ok\n482193\n", "482193"),
        ("OK 482193 thanks", "482193"),
        ("okay, 482 193 - on my way", "482193"),
        ("482193 ok.", "482193"),
        ("482 193: OK, thank you!", "482193"),
        ("OK", None),
        ("482193", None),
        ("OK 48219", None),
        ("OK 4821930", None),
        ("OK 482193 is not for me today", None),
        ("Not OK 482193", None),
        ("OK 482193 and 482194", None),
        ("482193 okra", None),
        ("482193 thanks", None),
        ("book 482193", None),
        ("OK ４８２１９３", None),
        ("OK " + "4" * 10_000, None),
        ("OK" + " " * 10_000, None),
        ("OK 482193" + " " * 10_000, "482193"),
        ("OK 482193 " + "thanks " * 10_000, None),
    ],
)
def test_what_is_an_answer(text: str, word: str | None) -> None:
    assert word_of(text) == word


@pytest.fixture(scope="module")
def country_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Vanuatu's country file, in which the first two hotlines have duty phones."""
    folder = tmp_path_factory.mktemp("countries")
    first, second, third, *rest = (country.SHIPPED_FOLDER / "vu.toml").read_text().split("[hotline.card]")
    duty = [f'\ndrills_to = ["{MAIL}", "{DUTY}", "{SHARED}"]', f'\ndrills_to = ["{SHARED}"]']
    cards = [
        f"{line}\n" + "\n".join(part for part in card.splitlines()[1:] if not part.startswith("drills_to"))
        for line, card in zip(duty, (second, third), strict=True)
    ]
    (folder / "vu.toml").write_text("[hotline.card]".join([first, *(f"{card}\n" for card in cards), *rest]))
    return folder


@pytest.fixture(scope="module")
def app(module_redis: str, country_folder: Path) -> Iterator[App]:
    made = App(module_redis, {"COUNTRIES": "vu", "TOKAUT_COUNTRY_DIR": str(country_folder)})
    yield made
    made.close()


def answers(app: App) -> set[tuple[str, str]]:
    return {(row.hotline, row.word) for row in app.rows(t.phone_answer)}


def test_whose_number_it_is(country_folder: Path) -> None:
    found = listed(country.load_countries(["vu"], "demo", country_folder))
    assert found == {DUTY: ("vu-pikinini",), SHARED: ("vu-pikinini", "vu-womens-centre")}


@pytest.mark.slow
def test_an_answer_is_written_down_and_gets_no_reply(app: App) -> None:
    phone = app.sms(DUTY)
    phone.text("OK 482193")
    phone.again()
    assert phone.replies() == []
    assert answers(app) == {("vu-pikinini", "482193")}
    assert [row.wrong for row in app.rows(t.phone_answer)] == [0], "once, though it came twice"
    app.sms(SHARED).text("ok 000042")
    assert answers(app) == {("vu-pikinini", "482193"), ("vu-pikinini", "000042"), ("vu-womens-centre", "000042")}


@pytest.mark.slow
def test_a_number_that_nobody_lists_gets_the_home_screen(app: App) -> None:
    before = answers(app)
    other = app.sms("+6785550199")
    other.text("OK 482193")
    assert "In danger?" in other.replies()[0]
    assert answers(app) == before


@pytest.mark.slow
def test_whoever_is_on_duty_may_report_too(app: App) -> None:
    before = answers(app)
    phone = app.sms(DUTY)
    phone.text("hello")
    assert "In danger?" in phone.replies()[0]
    assert answers(app) == before


WORDS = "I am driving and cannot answer now."


def alert(app: App, hotline: str, age: int = 0) -> None:
    """Store a text to the duty phones of a hotline. `age`: seconds since."""
    id_ = str(uuid.uuid4())
    row = {"sms_id": id_, "delivery_id": id_, "hotline": hotline, "rank": 0, "word": "000001"}
    with app.database.write() as connection:
        connection.execute(t.page.insert().values(**row, created_at=app.database.now() - age * SECOND))


@pytest.fixture
def own_app(redis_url: str, country_folder: Path) -> Iterator[App]:
    made = App(redis_url, {"COUNTRIES": "vu", "TOKAUT_COUNTRY_DIR": str(country_folder)})
    yield made
    made.close()


@pytest.mark.slow
def test_an_automatic_reply_to_an_alert_makes_no_report(own_app: App) -> None:
    alert(own_app, "vu-pikinini")
    phone = own_app.sms(DUTY)
    for _ in range(9):  # it answers each of our replies
        phone.text(WORDS)
    assert own_app.rows(t.pending) == [], "nothing is submitted half an hour later"
    assert 0 < len(phone.replies()) < 9
    first = phone.replies()[0]
    assert first.startswith("Not sent yet") and "within 30 min" not in first


@pytest.mark.slow
def test_a_duty_officer_sends_words_after_an_alert_with_send(own_app: App) -> None:
    alert(own_app, "vu-pikinini")
    phone = own_app.sms(DUTY)
    phone.text(WORDS)
    send_texts(phone, "1", *TO_SEND_SMS[1:], "1")
    assert own_app.bodies() and all(WORDS in str(body.data) for body in own_app.bodies())


@pytest.mark.slow
def test_words_after_an_alert_are_delivered_in_danger(own_app: App) -> None:
    alert(own_app, "vu-pikinini")
    phone = own_app.sms(DUTY)
    phone.text(WORDS)
    phone.text("1")
    phone.text("1")
    assert len(own_app.rows(t.pending)) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("hotline", "age"), [("vu-pikinini", 16 * 60), ("vu-police", 0)])
def test_other_words_of_a_duty_phone_are_submitted_as_any(own_app: App, hotline: str, age: int) -> None:
    alert(own_app, hotline, age)
    phone = own_app.sms(DUTY)
    phone.text(WORDS)
    assert "within 30 min" in phone.replies()[0]
    assert len(own_app.rows(t.pending)) == 1
    alert(own_app, "vu-pikinini")
    phone.text(WORDS)
    assert len(own_app.rows(t.pending)) == 1, "what was promised before the alert stays"


ON_CALL = "+6785550177"


@pytest.mark.slow
def test_an_automatic_reply_of_on_call_is_delivered_only_with_send(redis_url: str) -> None:
    """Web does not see when they are alerted."""
    app = App(redis_url, {"COUNTRIES": "vu", "TOKAUT_ON_CALL": f"{MAIL},{ON_CALL}"})
    phone = app.sms(ON_CALL)
    phone.text(WORDS)
    assert "Not sent yet" in phone.replies()[0] and "30 min" not in phone.replies()[0]
    assert app.rows(t.pending) == []
    send_texts(phone, "1", *TO_SEND_SMS[1:], "1")
    assert app.bodies() and all(WORDS in str(body.data) for body in app.bodies())
    app.close()


@pytest.mark.slow
def test_an_automatic_reply_of_on_call_while_redis_is_unavailable_makes_no_report(redis_url: str) -> None:
    """They are alerted about just that."""
    app = App(redis_url, {"COUNTRIES": "vu", "TOKAUT_ON_CALL": ON_CALL})
    app.parts.housekeeping.once()
    with redis_unavailable(app):
        app.sms(ON_CALL).text(WORDS)
    app.parts.housekeeping.once()
    waiting, pending = [row.waiting for row in app.rows(t.inbound)], app.rows(t.pending)
    app.close()
    assert (waiting, pending) == ([None], [])


@pytest.mark.parametrize(("mode", "also_on_duty"), [("live", True), ("live", False), ("training", False)])
def test_supervisors_are_alerted_too(mode: str, also_on_duty: bool) -> None:
    duty = (DUTY, SHARED) if also_on_duty else (DUTY,)
    card = PartnerCard(duty_officer=duty, supervisor=(MAIL, SHARED))
    vanuatu = replace(VU, mode=mode, hotlines={"vu-pikinini": replace(VU.hotlines["vu-pikinini"], card=card)})
    assert alert_contacts(Countries((vanuatu,)), (ON_CALL, MAIL)) == {SHARED, ON_CALL}


def test_in_drills_a_contact_that_is_both_is_a_duty_phone() -> None:
    card = PartnerCard(duty_officer=(DUTY,), supervisor=(DUTY,))
    vanuatu = replace(VU, mode="training", hotlines={"vu-pikinini": replace(VU.hotlines["vu-pikinini"], card=card)})
    assert alert_contacts(Countries((vanuatu,)), ()) == set()
