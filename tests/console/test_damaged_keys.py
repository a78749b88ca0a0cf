"""A private key file that cannot be used stops only what needs that key: the other hotlines work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.app import check
from reports.crypto.key_files import create_key_pair, list_keys
from tests.console.conftest import someone
from tests.console.running_console import HOTLINE, OTHER
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.staff import joined
from tokaut.local_stack.settings import StackPlan
from workers.keyring import KeyRing

NOT_OPENED = "It does not open with the keys that are here"
HEAD = b'{"category":"harm","place":{"code":"vu-shefa"}}'


def _keys(made: StackPlan) -> Path:
    return made.folder.inside / "keys"


def _damage(made: StackPlan, kind: str, hotline: str) -> dict[Path, bytes]:
    """Damage the key files of a hotline, and return what they held."""
    before = {path: path.read_bytes() for path in (_keys(made) / kind / hotline).iterdir()}
    for path in before:
        _write(path, b"damaged")
    return before


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)
    path.chmod(0o400)


@pytest.mark.slow
def test_with_a_damaged_private_key_the_console_starts_and_the_other_hotlines_read(
    made: StackPlan, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = {**made.settings, "COUNTRIES": "vu"}
    before = _damage(made, "private", HOTLINE)
    check(settings)
    console = Console(settings)
    try:
        logged = [line for line in "".join(capfd.readouterr()).splitlines() if "key_unreadable" in line]
        assert len(logged) == 1 and HOTLINE in logged[0]
        database = console.parts.database
        for hotline in (HOTLINE, OTHER):
            store_report(database, _keys(made), [(hotline, "primary")], head=HEAD)
        theirs, ours = someone(console, "mere", "staff"), someone(console, "ana", "staff", OTHER)
        assert NOT_OPENED in theirs.get("/").text and NOT_OPENED not in ours.get("/").text
        for path, data in before.items():
            _write(path, data)
        assert NOT_OPENED not in theirs.get("/").text, "a key that is put back needs no restart"
    finally:
        console.close()


@pytest.mark.slow
def test_a_public_key_that_is_damaged_later_hides_no_other_from_the_operator(made: StackPlan) -> None:
    console = Console({**made.settings, "COUNTRIES": "vu"})
    try:
        _damage(made, "public", HOTLINE)
        operator = joined(console.flask, console.parts.database, "oto", "operator", "_operator")
        operator.log_in()
        assert operator.get("/operator").text.count("? ? ?") == 1
    finally:
        console.close()


def test_an_older_damaged_key_stops_no_delivery_and_no_sms(made: StackPlan) -> None:
    old = list_keys(_keys(made), HOTLINE)[0].public.key_id
    _damage(made, "private", HOTLINE)
    new = create_key_pair(_keys(made), HOTLINE).key_id
    assert old != new
    assert KeyRing(_keys(made)).of(HOTLINE, new).key_id == new
