"""A duty phone that replies `OK` and a word: stored for the scheduler, without a reply or a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.conversation.sms import listed, word_of
from reports.countries import country
from reports.store.schema import tables as t
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
        ("OK", None),
        ("482193", None),
        ("OK 48219", None),
        ("OK 4821930", None),
        ("OK 482193 and come home", None),
        ("book 482193", None),
        ("OK ４８２１９３", None),
        ("OK " + "4" * 10_000, None),
        ("OK" + " " * 10_000, None),
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
