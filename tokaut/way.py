"""The way of one report as lines for an operator: ids, codes and times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from reports.store.operations.delivery_actions import ReportPath


def lines(way: ReportPath) -> Iterator[str]:
    report = way.report
    desk = f", {report.desk}" if report.desk else ""
    yield f"report {report.report_id}  {report.country}  {report.priority}  {report.completeness}  {report.state}{desk}"
    yield "route   " + ", ".join(f"{leg.hotline} ({leg.role}, {leg.why})" for leg in way.route)
    yield ""
    names = {report.report_id: "the report"}
    for sent in way.deliveries:
        names[sent.delivery_id] = what = f"{sent.type} {sent.revision} to {sent.hotline}"
        yield f"{_when(sent.created_at)}  {what}  {sent.role}, {sent.why}  {sent.state}, {sent.handling}"
    yield ""
    for row in way.done:
        yield f"{_when(row.at)}  {row.actor}  {row.act}  {names.get(row.object_id, row.object_id)}"


def _when(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
