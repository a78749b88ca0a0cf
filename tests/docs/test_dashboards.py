"""docs/operating/grafana-*.json: /metrics has every metric in them; their form is Grafana's, as far as known."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.docs import dashboards
from tests.docs.pages import ROOT, read
from tests.docs.test_alerts import SPAN, TEXT, WORDS, figures, names

MORE_WORDS = {"rate", "histogram_quantile", "le", "channel", "class"}
SOURCE = {"type": "object", "required": ["type", "uid"], "properties": {"uid": {"const": "${datasource}"}}}
# The parts of Grafana 10's and 11's dashboard form that this program could get wrong; no Grafana has loaded them.
FORM: dict[str, Any] = {
    "type": "object",
    "required": ["uid", "title", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "uid": {"type": "string", "pattern": "^[a-z0-9-]{1,40}$"},
        "title": {"type": "string", "minLength": 1},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "refresh": {"type": "string", "pattern": r"^\d+[smhd]$"},
        "time": {"type": "object", "required": ["from", "to"]},
        "id": False,
        "templating": {
            "type": "object",
            "required": ["list"],
            "properties": {
                "list": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "type", "query"],
                        "properties": {"type": {"enum": ["datasource", "query"]}},
                    },
                }
            },
        },
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "type", "title", "gridPos", "datasource", "fieldConfig", "targets"],
                "properties": {
                    "id": {"type": "integer", "minimum": 1},
                    "type": {"enum": ["timeseries", "state-timeline", "bargauge", "stat", "table"]},
                    "datasource": SOURCE,
                    "gridPos": {
                        "type": "object",
                        "required": ["h", "w", "x", "y"],
                        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 1000},
                    },
                    "fieldConfig": {"type": "object", "required": ["defaults", "overrides"]},
                    "targets": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "object",
                            "required": ["refId", "expr", "datasource"],
                            "properties": {"refId": {"pattern": "^[A-Z]$"}, "datasource": SOURCE},
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture(params=dashboards.DASHBOARDS)
def dashboard(request: pytest.FixtureRequest) -> Any:
    return json.loads(read(f"docs/operating/{request.param}"))


def test_each_file_is_the_one_that_is_made() -> None:
    for path, text in dashboards.files().items():
        assert read(path) == text, "write it anew: python -m tests.docs.generated"
        assert f"](../{path.removeprefix('docs/')})" in read("docs/reference/metrics.md")


def test_the_form_is_that_of_grafana(dashboard: Any) -> None:
    Draft202012Validator(FORM).validate(dashboard)
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    cells = [cell for panel in dashboard["panels"] for cell in covered(panel["gridPos"])]
    assert len(cells) == len(set(cells)), "two panels overlap"
    assert all(column < 24 for column, _ in cells)
    for panel in dashboard["panels"]:
        letters = [target["refId"] for target in panel["targets"]]
        assert len(letters) == len(set(letters))


def covered(place: dict[str, int]) -> list[tuple[int, int]]:
    columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return [(column, row) for column in columns for row in rows]


def test_each_figure_of_a_panel_is_one_of_ours(dashboard: Any) -> None:
    there = figures()
    there |= {f"{name}_bucket" for name in ("tokaut_request_duration_seconds", "tokaut_delivery_latency_seconds")}
    queries = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    for query in queries:
        assert query.partition("(")[2].partition(",")[0] in there
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            expression = target["expr"].replace("[$__range]", "[1h]")
            assert list(names(expression)), expression
            assert [name for name in names(expression) if name not in there] == []
            bare = TEXT.sub("", SPAN.sub("", expression))
            assert set(re.findall(r"[A-Za-z_]\w*", bare)) - set(names(expression)) <= WORDS | MORE_WORDS, expression
            for opening, closing in ("()", "{}"):
                assert bare.count(opening) == bare.count(closing)
            for name in re.findall(r"(?:increase|rate)\((\w+)", expression):
                assert name.endswith(("_total", "_count", "_bucket")), "only what counts up increases"


def test_the_figures_of_a_histogram_are_histograms() -> None:
    text = (ROOT / "gateway/metrics.py").read_text() + (ROOT / "workers/metrics.py").read_text()
    for name in ("tokaut_request_duration_seconds", "tokaut_delivery_latency_seconds"):
        assert re.search(rf'Histogram\(\s*"{name}"', text)
