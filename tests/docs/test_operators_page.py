"""The commands of docs/operating/operators.md, run on each PostgreSQL available here, up to a lead's invitation."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import read
from tests.docs.test_postgresql_page import PASSWORD, Operator, operator

__all__ = ["operator"]  # a fixture
pytestmark = [pytest.mark.slow, pytest.mark.rule("A-42")]

PAGE = "docs/operating/operators.md"
ROLE = "tokaut_console_kenya"


def code(beginning: str) -> str:
    """Return the code of the page that begins so, on one line."""
    [found] = re.findall(rf"`({re.escape(beginning)}[^`]*)`", read(PAGE))
    return " ".join(found.split())


def test_what_the_page_says_sets_up_the_console_of_an_operator(operator: Operator) -> None:
    operator.sets_up()
    operator.types(code('TOKAUT_OPERATORS="pacific=vu,fj kenya=ke" tokaut roles'))
    operator.types(code("sudo -u postgres psql -c '\\password"), answers=f"{PASSWORD}\n" * 2)
    own = operator.file("tokaut_console").read_text()
    operator.file(ROLE).write_text(own.replace("tokaut_console:", f"{ROLE}:"))
    operator.file(ROLE).chmod(0o400)
    operator.server.admit(f"host tokaut {ROLE} 127.0.0.1/32 scram-sha-256")
    settings = {"TOKAUT_MODE": "training", "COUNTRIES": "vu,fj,ke", "TOKAUT_DATA": str(operator.folder / "data")}
    [setting] = re.findall(r'`TOKAUT_OPERATORS="([^"]*)"` for `tokaut migrate`', read(PAGE))
    assert operator.migrates(settings | {"TOKAUT_OPERATORS": setting}).startswith("The database has the schema")
    console = {"COUNTRIES": "ke", "TOKAUT_CONSOLE_KEY": operator.types("tokaut keys secret").strip()}
    address = {"DATABASE_URL_FILE": str(operator.file(ROLE))}
    invited = operator.types(
        "tokaut staff invite wanja --hotline ke-child-helpline", settings=settings | console | address
    )
    assert "/join#" in invited
    operator.types(f"sudo -u postgres psql -c '{code('ALTER ROLE tokaut_console NOLOGIN')}'")
    check = settings | {
        "CHANNELS": "ussd",
        "TOKAUT_OPERATORS": setting,
        "DATABASE_URL_FILE": str(operator.file("tokaut_clock")),
    }
    assert "database: good" in operator.types("tokaut check || true", settings=check)
