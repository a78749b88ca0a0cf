"""The database file is deleted or replaced under running processes: "Sent" by the spool, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from tests.faults.city import City
from tests.faults.walking import TO_SEND, a_phone, comes_once, is_sent, walk
from tests.support.wait import until

pytestmark = pytest.mark.slow


@contextmanager
def database_moved_away(city: City) -> Iterator[None]:
    """The files are renamed: to the processes they are deleted, and the test can put the same files back."""
    aside = city.folder / "aside"
    aside.mkdir()
    files = list(city.database.parent.glob(f"{city.database.name}*"))
    for file in files:
        file.rename(aside / file.name)
    try:
        yield
    finally:
        for file in aside.iterdir():
            file.replace(city.database.parent / file.name)


def ready(city: City) -> tuple[int, dict[str, object]]:
    answer = requests.get(f"{city.web}/readyz", timeout=10)
    return answer.status_code, answer.json()


def test_calls_go_to_the_spool_while_the_database_file_is_gone(city: City) -> None:
    walk(city.ussd_phone("ussd", a_phone()), ())  # web has the file open
    phones = [city.ussd_phone("ussd", a_phone()) for _ in range(3)]
    with database_moved_away(city):
        for phone in phones:
            assert is_sent(walk(phone, (*TO_SEND, "1")))
        assert city.spooled() == len(phones)
        status, said = ready(city)
        assert (status, said["database"]) == (503, False)
    for phone in phones:
        comes_once(city, phone.phone)
    until(lambda: ready(city)[1]["database"] is True, "web does not see that the same file is back")
