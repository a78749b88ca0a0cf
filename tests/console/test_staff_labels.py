"""Staff read one set of labels: in the list, the report, the statistics, their CSV and the documentation."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from console.presenters.report import ChoiceLabels, present_report
from flows import loader
from reports import staff_labels
from reports.case_state import CaseOutcome, Handling
from reports.countries.language_names import LANGUAGE_NAMES
from reports.facts import AGE_BANDS, CATEGORIES, CONTACT_REQUEST
from reports.statistics.tables import cell_label
from tests.console.running_console import HOTLINE
from tests.console.test_on_postgresql import SAMPLE
from tests.house.files import ROOT
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.staff import Person
from tokaut.local_stack.settings import StackPlan

LABELS = ChoiceLabels(loader.load())


def test_every_code_has_a_label() -> None:
    assert (tuple(staff_labels.CONCERNS), tuple(staff_labels.AGES)) == (CATEGORIES, AGE_BANDS)
    assert (set(staff_labels.STATUSES), set(staff_labels.OUTCOMES)) == (set(Handling), set(CaseOutcome))
    for question, labels in staff_labels.ANSWERS.items():
        assert set(LABELS.values(question)) - {"unknown"} == set(labels) - {CONTACT_REQUEST}, (
            f"a choice of {question} without a label"
        )


@pytest.mark.parametrize("code", CATEGORIES)
def test_list_report_statistics_and_csv_name_a_concern_alike(
    console: Console, made: StackPlan, mere: Person, code: str
) -> None:
    label = staff_labels.ANSWERS["category"][code]
    data, head = json.loads(SAMPLE.read_bytes())["data"], json.dumps({"category": code}).encode()
    body, keys = json.dumps(data | {"category": code}).encode(), made.folder.inside / "keys"
    path = "/reports/" + store_report(console.parts.database, keys, [(HOTLINE, "primary")], body=body, head=head)
    assert label in mere.get("/").text and label in mere.get(path).text
    assert cell_label("category", code, LANGUAGE_NAMES) == label, "statistics, their CSV and their charts"


def facts_of(**more: Any) -> dict[str, str]:
    found = json.loads(SAMPLE.read_bytes())["data"]
    return dict(present_report(found | more, LABELS).facts)


@pytest.mark.parametrize("code", list(staff_labels.AGES))
def test_report_and_statistics_name_an_age_alike(code: str) -> None:
    assert facts_of(child={"age_band": code})["Age"] == cell_label("age", code, {}) == staff_labels.AGES[code]


def test_the_report_says_who_and_in_what_danger() -> None:
    facts = facts_of(danger="soon", about="me", reporter_role="child", channel="ussd")
    assert facts["Danger"] == "In danger soon, as the reporter expects"
    assert (facts["Child concerned"], facts["Reporter"]) == ("The reporter", "A child")
    assert facts["Channel"] == cell_label("channel", "ussd", {}) == "USSD (dialled a code)"


def test_the_table_of_answers_has_the_words_of_the_screen() -> None:
    found = json.loads(SAMPLE.read_bytes())["data"]
    asked = [one.answer for one in present_report(found, LABELS).asked]
    assert "Bullying, threats" in asked and staff_labels.CONCERNS["bullying"] not in asked


def test_the_documentation_has_the_same_table() -> None:
    page = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", page.partition("## Labels")[2], re.MULTILINE))
    assert table == {**staff_labels.CONCERNS, **{str(code): label for code, label in staff_labels.OUTCOMES.items()}}
