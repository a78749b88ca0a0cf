"""The commands of the operator's pages, on a machine set up by them: their accounts and their effects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.booted import tried

LONG = os.environ.get("LONG") == "1"

# Booting a machine takes minutes: not in `make test`, and one machine for all tests.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.xdist_group("documented"),
    pytest.mark.skipif(not LONG, reason="make faults LONG=1"),
]
CLOSED = "This report cannot be decrypted on this computer"


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    yield from tried("documented")


def test_check_is_content_with_what_the_page_sets(found: dict[str, Any]) -> None:
    for which in ("check", "worker"):
        status, said = found[which]
        assert (status, "x " in said) == (0, False), said


def test_staff_read_what_the_console_was_given_the_key_of(found: dict[str, Any]) -> None:
    assert found["sent"].startswith("CON DRILL Sent.")
    assert found["read"] and CLOSED not in found["read"]
    assert CLOSED in found["not read"]  # without the key


@pytest.mark.rule("X-10")
def test_nobody_else_reads_the_consoles_keys(found: dict[str, Any]) -> None:
    assert found["reads the keys"] == ["tokaut-console"]


def test_a_number_is_withdrawn_where_web_sees_it(found: dict[str, Any]) -> None:
    assert found["withdrawn"][0] == 0
    assert found["own file"] == ["0o644", "tokaut-worker"]


def test_the_users_of_redis_are_made_by_root(found: dict[str, Any]) -> None:
    assert found["redis acl"][0] == 0


def test_a_copy_of_the_backups_own_account_is_put_back(found: dict[str, Any]) -> None:
    assert found["copy"] == ["0o600", "tokaut-backup"]
    assert found["restored"][0] == 0, found["restored"][1]
    assert found["database"] == ["0o660", "tokaut-worker"]
    assert found["sent after it"].startswith("CON DRILL Sent.")
