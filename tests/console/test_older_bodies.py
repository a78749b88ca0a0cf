"""A report that an earlier version sealed opens: missing fields count as not answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert

from console import bodies
from console.presenters.reachability import ContactOption, reach
from console.presenters.report import ChoiceLabels, present_report
from flows import loader
from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.staff import joined
from tokaut.local_stack.settings import StackPlan

WHOLE: dict[str, Any] = json.loads(SAMPLE.read_text())["data"]
NOW = 1_800_000_000_000_000
LABELS = ChoiceLabels(loader.load())


def parts(found: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every field, at any depth."""
    inner = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [way for key, value in inner for way in ((*at, key), *parts(value, (*at, key)))]


def without(way: tuple[str | int, ...], put: Any = ...) -> dict[str, Any]:
    copy = json.loads(json.dumps(WHOLE))
    holder = copy
    for key in way[:-1]:
        holder = holder[key]
    if put is ...:
        del holder[way[-1]]
    else:
        holder[way[-1]] = put
    return copy


@pytest.mark.parametrize("put", [..., None], ids=["missing", "null"])
def test_any_one_field_may_be_missing(put: Any) -> None:
    for way in parts(WHOLE):
        assert present_report(without(way, put), LABELS).facts, way


def test_where_nothing_is_there_nothing_was_said() -> None:
    found = present_report({}, LABELS)
    assert (found.title, found.priority, found.flags, found.why, found.words, found.asked) == ("", "", (), (), (), ())
    assert dict(found.facts) == dict.fromkeys(("Place", "Child concerned", "Reporter"), "not said")


@pytest.mark.rule("S-03")
@pytest.mark.parametrize("way", ["how", "msisdn", "safe_hours", "allowed"])
def test_a_number_without_its_terms_is_not_shown(way: str) -> None:
    number = WHOLE["contact"]["msisdn"]
    assert reach(bodies.complete_report(WHOLE)["contact"], "", NOW).number == number
    found = reach(bodies.complete_report(without(("contact", way)))["contact"], "", NOW)
    assert (found.way, found.number) == (ContactOption.MESSAGE, "")


@pytest.mark.parametrize(
    "body", [b'{"kind":"words"}', b'{"text":"It is worse now"}', b"{}", b"[]", b"7", b"no JSON at all"]
)
def test_the_page_opens(console: Console, made: StackPlan, report: str, body: bytes) -> None:
    """The report has only words; a message may lack all fields."""
    mere = joined(console.flask, console.parts.database, "mere")
    mere.log_in()
    message_id, hotline = new_id(console.parts.database.now()), "vu-pikinini"
    public = load_public_keys(made.folder.inside / "keys", [hotline])[hotline]
    box = seal_body(public, SealContext.of_message("demo", report, message_id, hotline), b"", body)
    row = {"message_id": message_id, "recipient": hotline, "report_id": report, "number": 1, "created_at": 1}
    with console.parts.database.write() as connection:
        connection.execute(insert(t.message), row | {"key_id": box.key_id, "wrap": box.wrap, "sealed": box.sealed})
    page = mere.get(f"/reports/{report}")
    assert page.status == 200 and "made up" in page.text and "You can only leave a message" in page.text
    assert ("It is worse now" in page.text) is (b"worse" in body)
