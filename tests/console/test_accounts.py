"""Coming to the hotline, logging in, going: as a person does it, page by page."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.staff import Person, joined


@pytest.fixture
def mere(console: Console) -> Person:
    return joined(console.flask, console.parts.database, "mere")


def test_by_invitation_to_the_first_page(mere: Person) -> None:
    assert mere.get("/").leads_to == "/login"
    assert mere.log_in().leads_to == "/"
    assert "Reports" in mere.get("/").text
