"""docs/operating/alerts.yml: every metric exists, every page exists, every alert has a rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from gateway.metrics import WebMetrics
from tests.docs.pages import ROOT, read
from workers.metrics import WorkerMetrics

RULES = [
    rule for group in YAML(typ="safe").load(ROOT / "docs/operating/alerts.yml")["groups"] for rule in group["rules"]
]
NAME = re.compile(r"\b(?:tokaut_\w+|up)\b(?=[\[{)\s]|$)")
# Words allowed between names and numbers; any other is a typing error, or must be added here.
WORDS = {"max", "min", "sum", "increase", "absent", "time", "or", "and", "on", "by"}
WORDS |= {"priority", "job", "instance", "state", "hotline", "country", "channel", "outcome"}
SPAN = re.compile(r"\[\d+[smhd]\]")
TEXT = re.compile(r'"[^"]*"')


def figures() -> set[str]:
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    found = {line.split("{")[0].split(" ")[0] for line in WebMetrics().page().decode().splitlines()}
    found |= set(re.findall(r"tokaut_\w+(?= |\{)", (ROOT / "gateway/health.py").read_text(encoding="utf-8")))
    for family in registry.collect():
        found |= {family.name + ("_total" if family.type == "counter" else "")}
    return found | {"tokaut_request_duration_seconds_count", "tokaut_sms_delivery_reports_total", "up"}


def names(expression: str) -> Iterator[str]:
    yield from NAME.findall(expression)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_figure_of_a_rule_is_one_of_ours(rule: dict[str, Any]) -> None:
    there = figures()
    assert list(names(rule["expr"])), rule["expr"]
    assert [name for name in names(rule["expr"]) if name not in there] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_expression_is_whole(rule: dict[str, Any]) -> None:
    bare = TEXT.sub("", SPAN.sub("", rule["expr"]))
    for opening, closing in ("()", "{}"):
        assert bare.count(opening) == bare.count(closing)
    words = set(re.findall(r"[A-Za-z_]\w*", bare)) - set(names(rule["expr"]))
    assert words <= WORDS
    for name in re.findall(r"increase\((\w+)", rule["expr"]):
        assert name.endswith(("_total", "_count")), "only what counts up increases"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_whoever_is_woken_finds_a_page(rule: dict[str, Any]) -> None:
    assert (ROOT / "docs/operating" / rule["annotations"]["page"]).is_file()
    assert rule["annotations"]["summary"].endswith((".", "?"))
    assert rule["labels"]["severity"] in ("wake", "morning")


def test_every_alarm_of_the_page_has_a_rule_and_no_rule_stands_twice() -> None:
    _, _, rest = read("docs/reference/alerts.md").partition("| alert when |")
    alarms = set(re.findall(r"`(tokaut_\w+)`", rest.partition("\n## Notifications to on-call")[0]))
    used = {name for rule in RULES for name in names(rule["expr"])}
    assert alarms - used == set()
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_a_wrong_name_would_be_found() -> None:
    assert [name for name in names("max(tokaut_spool_oldest) > 3") if name not in figures()] == ["tokaut_spool_oldest"]
