"""Replies by SMS that the worker sends: web marks those to one phone, so that they are sent in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reports.store.schema import tables as t
from tests.support.app import App

pytestmark = pytest.mark.slow

ONE, OTHER = "+6785550181", "+6785550182"


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    made = App(redis_url)
    yield made
    made.close()


def text(app: App, phone: str, words: str, id_: str) -> None:
    path = f"/hooks/africastalking/{app.plan.secrets.africastalking}/sms"
    assert app.http.post(path, data={"from": phone, "to": "163", "text": words, "id": id_}).status_code == 200


def test_replies_to_one_phone_have_one_key_which_is_no_other_hash_of_the_number(app: App) -> None:
    for number, phone in enumerate((ONE, ONE, OTHER)):
        text(app, phone, "2", f"m-{number}")
    keys = [row.phone_key for row in sorted(app.rows(t.outgoing), key=lambda row: row.created_at)]
    assert keys[0] == keys[1] != keys[2] and all(len(key) == 32 for key in keys)
    text(app, ONE, "STOP", "m-3")
    assert not {row.caller_key for row in app.rows(t.optout)} & set(keys)
