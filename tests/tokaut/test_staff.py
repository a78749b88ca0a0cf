"""`tokaut staff`: the operator invites the first lead of a hotline; nobody has access before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.app import create_app
from reports.store.engine.database import Database
from tests.support.staff import Person, staff_acts
from tokaut.__main__ import main
from tokaut.local_stack import preparation
from tokaut.local_stack.settings import DemoFolder, StackAddresses, make_plan


@pytest.fixture
def settings(tmp_path: Path) -> Mapping[str, str]:
    made = make_plan(
        {}, DemoFolder(tmp_path), StackAddresses(1, 2, 3), ("vu-pikinini", "vu-womens-centre", "vu-police")
    )
    made.folder.inside.mkdir(mode=0o700)
    preparation.prepare_stack(made)
    return {**made.settings, "COUNTRIES": "vu", "CONSOLE_URL": "https://desk.example"}


def run(settings: Mapping[str, str], *words: str) -> Result:
    return CliRunner().invoke(main, ["staff", *words], env=dict(settings))


@pytest.mark.rule("A-26")
def test_nobody_is_there_until_somebody_is_invited(settings: Mapping[str, str]) -> None:
    assert run(settings, "list", "vu-pikinini").output == "Nobody.\n"
    assert run(settings, "list", "_operator").output == "Nobody.\n"


def test_an_unknown_hotline_is_not_said_to_have_nobody(settings: Mapping[str, str]) -> None:
    result = run(settings, "list", "vu-pikinni")
    assert (result.exit_code, "Did you mean vu-pikinini?" in result.output) == (1, True), result.output


def test_the_first_lead(settings: Mapping[str, str]) -> None:
    said = run(settings, "invite", "mere", "--hotline", "vu-pikinini")
    assert said.exit_code == 0, said.output
    link = said.output.splitlines()[-1]
    assert link.startswith("https://desk.example/join#")
    flask = create_app(settings)
    database = flask.extensions["tokaut"].database
    mere = Person(flask, database, "mere")
    assert mere.join(link.removeprefix("https://desk.example")).status == 200
    assert mere.log_in().leads_to == "/"
    assert run(settings, "list", "vu-pikinini").output == "mere                     lead\n"
    assert run(settings, "end", "mere").output == "mere has no access any more.\n"
    assert mere.get("/").leads_to == "/login"
    assert run(settings, "list", "vu-pikinini").output == "mere                     lead      has left\n"
    taken = run(settings, "invite", "mere", "--hotline", "vu-pikinini")
    assert (taken.exit_code, "Take another one" in taken.output) == (1, True)
    database.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mere"], "A lead belongs to a hotline"),
        (["mere", "--role", "operator", "--hotline", "vu-police"], "A lead belongs to a hotline"),
        (["mere", "--hotline", "vu-nobody"], "has a hotline vu-nobody. They have vu-pikinini, vu-police, vu-"),
        (["Mere!", "--hotline", "vu-police"], "small letters and digits"),
        (["m", "--hotline", "vu-police"], "small letters and digits"),
        (["end"], ""),
    ],
)
def test_what_it_does_not_do(settings: Mapping[str, str], words: list[str], said: str) -> None:
    result = run(settings, *(["end", "mere"] if words == ["end"] else ["invite", *words]))
    assert result.exit_code == 1
    assert said in result.output


def test_it_is_in_the_audit_in_the_operators_name(settings: Mapping[str, str]) -> None:
    run(settings, "invite", "joe", "--role", "operator")
    database = Database(f"sqlite:///{settings['TOKAUT_DATA']}/tokaut.db")
    (row,) = staff_acts(database, "_operator")
    assert (row.act, row.object_id) == ("invited", "_operator/joe")
    assert row.actor.startswith("staff:_operator/")
    database.close()
