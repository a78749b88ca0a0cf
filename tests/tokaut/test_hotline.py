"""`tokaut hotline revive` and `test`: one that had answered "gone" gets all reports again; each phone gets one text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select

from reports.countries.country import SHIPPED_FOLDER
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support.prepared import migrate
from tests.tokaut.test_deliveries import put, state_of
from tests.workers.fake_http_server import Answer, FakeHttpServer
from tests.workers.test_senders_africastalking import said
from tokaut.__main__ import main


def test_a_hotline_that_was_gone_gets_reports_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    gone = put(database, 1, state="refused", last_class="gone", last_status=410)
    refused = put(database, 2, state="refused", last_class="refused 3", last_status=422)
    with database.write() as connection:
        row = {"hotline": "vu-one", "failures": 9, "open_until": 1, "opened_times": 2, "dead_since": 5}
        connection.execute(insert(t.hotline_state).values(row))
    result = CliRunner().invoke(main, ["hotline", "revive", "vu-one"], env={"TOKAUT_DATA": str(tmp_path)})
    assert (result.exit_code, "1 that it had refused" in result.output) == (0, True)
    assert (state_of(database, gone), state_of(database, refused)) == ("due", "refused")
    with database.read() as connection:
        assert connection.execute(select(t.hotline_state.c.dead_since)).scalar_one() is None


def test_a_hotline_that_nobody_knows_is_not_said_to_get_reports(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    environ = {"TOKAUT_DATA": str(tmp_path), "COUNTRIES": "vu"}
    result = CliRunner().invoke(main, ["hotline", "revive", "vu-pikinni"], env=environ)
    assert (result.exit_code, "Did you mean vu-pikinini?" in result.output) == (1, True), result.output
    assert CliRunner().invoke(main, ["hotline", "revive", "vu-pikinini"], env=environ).exit_code == 0


PHONES = ("+6785550191", "+6785550192", "+6785550193")


@pytest.fixture
def aggregator() -> Iterator[FakeHttpServer]:
    with FakeHttpServer([said()]) as it:
        yield it


@pytest.mark.slow
@pytest.mark.rule("S-40")
@pytest.mark.parametrize("kind", ["sms_alert", "console"])
def test_each_duty_phone_gets_one_text_that_asks_for_nothing(
    tmp_path: Path, aggregator: FakeHttpServer, kind: str
) -> None:
    text = (
        (SHIPPED_FOLDER / "vu.toml")
        .read_text(encoding="utf-8")
        .replace('delivery = "webhook"', f'delivery = "{kind}"', 1)
    )
    people = ", ".join(f'"{one}"' for one in PHONES)
    (tmp_path / "vu.toml").write_text(text.replace("drills_to = []", f"drills_to = [{people}]", 1), encoding="utf-8")
    environ = {
        "TOKAUT_DATA": str(tmp_path),
        "TOKAUT_COUNTRY_DIR": str(tmp_path),
        "COUNTRIES": "vu",
        "CHANNELS": "africastalking",
        "AFRICASTALKING_URL": f"http://{aggregator.host_port}",
        "AFRICASTALKING_API_KEY": "a-key",
        "HOTLINE_VU_PIKININI_CHANNEL": "africastalking",
        "HOTLINE_VU_PIKININI_FROM": "163",
    }
    result = CliRunner().invoke(main, ["hotline", "test", "vu-pikinini"], env=environ)
    assert (result.exit_code, "2 of 2 as expected" in result.output) == (0, True), result.output
    assert all(word in result.output for word in ("test", "answer")) and "what came" not in result.output
    forms = [parse_qs(taken.body.decode()) for taken in aggregator.requests]
    assert [form["to"][0] for form in forms] == list(PHONES)
    assert all(form["message"][0].startswith("DRILL ") and "OK" not in form["message"][0] for form in forms)
    aggregator.answer(Answer(400))
    result = CliRunner().invoke(main, ["hotline", "test", "vu-pikinini"], env=environ)
    assert (result.exit_code, "No duty phone could be texted" in result.output) == (1, True), result.output
