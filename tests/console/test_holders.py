"""Nobody holds a report who cannot open it: whoever has left, opens no reports any more, or is excluded from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import update

from console.views import entry as entry_views
from reports.store.cases import case_actions, case_view, entries
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.schema import tables as t
from reports.store.staff import accounts
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE
from tests.console.test_entry import form_of, submit
from tests.support.console import Console
from tests.support.hotline_clients import HotlineClient, first_delivery, rows
from tests.support.staff import Page, Person, close_form

WAYS = pytest.mark.parametrize("way", ["end", "role", "hide"])


@dataclass
class Setting:
    """A report, a lead, and two accounts of the role staff; there is another lead, too."""

    database: Database
    report: str
    ana: Person
    mere: Person
    nia: Person

    @property
    def path(self) -> str:
        return f"/reports/{self.report}"

    def act(self, one: Person, name: str, form: dict[str, str] | None = None) -> Page:
        return one.post(f"{self.path}/{name}", {**(form or {}), **one.get(self.path).marks})

    def staff_id(self, name: str) -> str:
        account = accounts.find_by_name(self.database, name)
        assert account
        return account.staff_id

    def shut_out(self, name: str, way: str) -> Page:
        """End an account, give it a role that opens no reports, or hide the report from it."""
        if way == "hide":
            return self.act(self.ana, "away", {"who": self.staff_id(name), "do": "away"})
        return self.ana.post(f"/people/{self.staff_id(name)}/{way}", {"sure": "1", "role": "auditor"}, at="/people")

    @property
    def holding(self) -> Any:
        (row,) = [row for row in rows(self.database, t.holding) if row.hotline == HOTLINE]
        return row

    @property
    def holder(self) -> tuple[str | None, str | None]:
        return self.holding.holder, self.holding.handed_by


@pytest.fixture
def setting(console: Console, people: tuple[Person, Person], report: str) -> Setting:
    ana, _ = someone(console, "ana"), someone(console, "ben")
    return Setting(console.parts.database, report, ana, *people)


@WAYS
def test_a_closing_that_is_undone_gives_the_report_to_nobody_who_has_left(setting: Setting, way: str) -> None:
    setting.act(setting.mere, "take")
    setting.act(setting.nia, "close", close_form())
    assert setting.shut_out("mere", way).status == 303
    assert setting.act(setting.nia, "undo-close").status == 303
    assert setting.holder == ("nia", None) and "Taken by: nia" in setting.ana.get(setting.path).text


@WAYS
@pytest.mark.parametrize("act", ["take", "message"])
def test_who_is_shut_out_while_they_take_a_report_does_not_get_it(
    setting: Setting, way: str, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their request was checked just before."""
    form = {**setting.mere.get(setting.path).marks, "words": "We read it.", "do": "send"}
    perform = case_actions.perform

    def perform_late(*what: Any) -> Any:
        monkeypatch.undo()
        setting.shut_out("mere", way)
        return perform(*what)

    monkeypatch.setattr(case_actions, "perform", perform_late)
    assert setting.mere.post(f"{setting.path}/{act}", form).status == 404
    assert first_delivery(setting.database, setting.report, HOTLINE).handling == "none"
    assert f"row-{setting.report}" in setting.ana.get("/?tab=unassigned").html and not rows(setting.database, t.answer)


@pytest.mark.parametrize("way", ["end", "role"])
@pytest.mark.parametrize("moment", ["before it is saved", "before it is stored", "while it is stored"])
def test_nobody_holds_an_entered_report_whose_account_has_ended(
    setting: Setting, way: str, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They chose *I take this report now*: else nobody would be alerted of it."""
    form, enter = form_of(setting.mere) | {"taker": "me"}, entries.enter

    def enter_late(*what: Any, **more: Any) -> bool:
        if moment == "before it is saved":
            setting.shut_out("mere", way)
        return enter(*what, **more)

    monkeypatch.setattr(entry_views.entries, "enter", enter_late)
    setting.mere.post("/enter", form)
    [entered] = rows(setting.database, t.pending)
    if moment == "before it is stored":
        setting.shut_out("mere", way)
    submit(setting.database)
    if moment == "while it is stored":
        setting.shut_out("mere", way)
    handling = first_delivery(setting.database, entered.report_id, HOTLINE).handling
    assert handling == ("accepted" if moment == "while it is stored" else "none")
    assert f"row-{entered.report_id}" in setting.ana.get("/?tab=unassigned").html
    assert "mere" not in [row.holder for row in rows(setting.database, t.holding)]


@WAYS
def test_nothing_is_passed_to_somebody_who_is_shut_out_at_this_moment(
    setting: Setting, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = case_view.save_change

    def save_late(*what: Any, **more: Any) -> None:
        monkeypatch.undo()
        setting.shut_out("nia", way)
        save(*what, **more)

    monkeypatch.setattr(case_view, "save_change", save_late)
    page = setting.act(setting.mere, "pass", {"to": "nia", "pass_note": "The aunt rings at six"})
    assert page.status == 400 and "nia cannot get this report" in page.text and "rings at six" in page.html
    assert setting.holder == (None, None)


def test_a_report_that_the_hotlines_system_opens_again_has_no_holder_and_no_outcome(
    setting: Setting, hotline_client: HotlineClient
) -> None:
    setting.act(setting.mere, "take")
    setting.act(setting.mere, "close", close_form())
    assert hotline_client.call(setting.report, "in_progress").status_code == 200
    assert (setting.holding.holder, setting.holding.outcome, setting.holding.closed_from) == (None, None, None)
    assert "In progress: a colleague" in setting.mere.get(setting.path).text
    assert hotline_client.call(setting.report, "closed").status_code == 200
    assert "Status: Closed: helped" not in setting.mere.get(setting.path).text, "nobody has said so since"


def test_reports_are_in_the_queue_though_the_database_fails_after_the_end_of_an_account(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lead cannot end the account a second time."""
    setting.act(setting.mere, "take")
    end = accounts.deactivate

    def end_then_fail(*what: Any) -> None:
        end(*what)
        raise DatabaseUnavailable("OperationalError")

    monkeypatch.setattr(accounts, "deactivate", end_then_fail)
    assert setting.shut_out("mere", "end").status == 503
    assert "account ended" in setting.ana.get("/people").text and setting.holder == ("", "ana")


def test_a_report_that_went_away_does_not_keep_the_others_from_the_queue(setting: Setting) -> None:
    """It was passed to somebody, and then the reporter left this hotline out."""
    setting.act(setting.mere, "pass", {"to": "nia"})
    own = (t.delivery.c.report_id == setting.report, t.delivery.c.hotline == HOTLINE)
    with setting.database.write() as connection:
        connection.execute(update(t.delivery).where(*own).values(state="cancelled"))
    assert setting.shut_out("nia", "end").status == 303
