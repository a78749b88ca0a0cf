"""The page on which a demo's hotline shows the deliveries that it has accepted. Pure: deliveries in, HTML out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from reports import exports, staff_labels
from reports.statistics.tables import CELL_LABELS
from reports.triage import FLAG_LABELS, REASON_LABELS

HERE = Path(__file__).parent
FILES = {  # path: content type and body
    "/hotline.css": ("text/css; charset=utf-8", (HERE / "hotline.css").read_bytes()),
    "/hotline.js": ("text/javascript; charset=utf-8", (HERE / "hotline.js").read_bytes()),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors http://127.0.0.1:*",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
MAX_REPORTS = 20
NO_CONTACT = "Do not call or text. No number is in the report."
MESSAGE_LABELS = {
    "words": "The reporter writes",
    "contact_given": "The reporter may be contacted from now on",
    "contact_withdrawn": "The reporter is not to be contacted any more",
    "delete_asked": "The reporter asks that the report is deleted",
    "recording": "The reporter spoke: the request holds the recording",
    "recording_missing": "The reporter spoke, and no recording could be fetched",
}
WITHOUT_CODE = "From the same phone in a later call, without code and PIN"
NOTHING = "<p class=empty>Nothing has come yet. Send a report on the phone: it is here a second later.</p>"


@dataclass(slots=True)
class _ReceivedReport:
    """One report: its newest revision, and the messages after it. `at`: Unix time of its first delivery."""

    at: float
    newest: Mapping[str, Any] = field(default_factory=dict)
    line: Mapping[str, Any] = field(default_factory=dict)
    count: int = 0
    messages: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)


def page(lines: Iterable[Mapping[str, Any]], console: str | None, tag: str = "", *, in_demo: bool = True) -> str:
    """Return the page.

    `lines`: accepted deliveries, the oldest first. `console`: address of the console. `tag`: the entity tag of this
    list, by which the page asks for a newer one. `in_demo`: False for the practice hotline of `tokaut start`.
    """
    name = "demo's" if in_demo else "practice"
    made_up = "Made up, like everything in a demo." if in_demo else "For training only."
    login = "login: <code>tokaut demo --login</code>" if in_demo else "an account: <code>tokaut staff invite</code>"
    answer = f'<a href="{escape(console or "")}" target="_blank" rel="noreferrer">Answer in the console</a>'
    answer += f" ({login})"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>'
        f"What the {name} hotline has received</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/hotline.css">'
        '<script type="module" src="/hotline.js"></script></head><body><header><h1>Inbox of the hotline</h1>'
        f"<p>Signed reports, as JSON. {made_up} {answer if console else ''}</p></header>"
        f'<main id="reports" aria-live="polite" data-tag="{escape(tag)}">{reports(lines)}</main></body></html>'
    )


def reports(lines: Iterable[Mapping[str, Any]]) -> str:
    """Return the newest 20 reports as HTML, the newest first."""
    received = list(_by_report(lines).values())[-MAX_REPORTS:]
    return "".join(_article(report) for report in reversed(received)) or NOTHING


def _by_report(lines: Iterable[Mapping[str, Any]]) -> dict[str, _ReceivedReport]:
    received: dict[str, _ReceivedReport] = {}
    for line in lines:
        body, at = line["body"], float(line["at"])
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict) or not data.get("report_id"):
            continue  # a request that web could not read; `tokaut demo` prints it
        report = received.setdefault(str(data["report_id"]), _ReceivedReport(at))
        report.count += 1
        if body.get("type") == "report.message":
            report.messages.append((at, data))
        elif data.get("revision", 0) >= report.newest.get("revision", 0):  # an older one may arrive after a newer one
            report.newest, report.line = data, line
    return received


def _article(report: _ReceivedReport) -> str:
    data, triage = report.newest, _dict(report.newest, "triage")
    codes = [*_list(triage, "reasons"), *(code for code in _list(triage, "flags") if code != "NO_CONTACT")]
    category, priority = str(data.get("category", "")), str(triage.get("priority", ""))
    title = escape(CELL_LABELS.get(category, category or "A message"))
    why = " ".join(escape(REASON_LABELS.get(code) or FLAG_LABELS.get(code) or str(code)) for code in codes)
    facts = "".join(f"<dt>{label}<dd>{escape(text)}" for label, text in _facts(data) if text)
    words = "".join(f"<blockquote>{escape(text)}</blockquote>" for text in _words(data))
    messages = "".join(_message(at, message) for at, message in report.messages)
    times = "once" if report.count == 1 else f"{report.count} times"
    hotline = escape(_hotline(report.line))
    return (
        f'<article><h2><span class="{escape(priority).lower() or "none"}">{escape(priority)}</span> {title}</h2>'
        f"<p class=when>{_clock(report.at)} · {hotline} · delivered {times}, signature checked</p>"
        f"<p class=why>{why}</p><dl>{facts}</dl>{words}{messages}"
        "<details><summary>The JSON that came last</summary>"
        f"<pre tabindex=0>{_raw(report.line)}</pre></details></article>"
    )


def _facts(data: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    about, danger = str(data.get("about") or ""), str(data.get("danger") or "")
    age = staff_labels.AGES.get(str(_dict(data, "child").get("age_band")), "")
    return (
        ("Danger", staff_labels.DANGER.get(danger, danger)),
        ("Child concerned", ", ".join(filter(None, (staff_labels.CHILDREN.get(about, about), age)))),
        ("Place", str(_dict(data, "place").get("name") or "")),
        ("Contact", _contact(_dict(data, "contact"))),
    )


def _contact(contact: Mapping[str, Any]) -> str:
    if not contact.get("allowed"):
        return NO_CONTACT if contact else ""
    try:
        return exports.phone_text(contact)
    except (KeyError, TypeError):  # any program on this machine can send the demo's hotline an invalid delivery
        return ""


def _words(data: Mapping[str, Any]) -> Iterable[str]:
    if data.get("narrative"):
        yield str(data["narrative"])
    for addition in _list(data, "additions"):
        yield str(addition.get("text", "")) if isinstance(addition, dict) else str(addition)


def _message(at: float, data: Mapping[str, Any]) -> str:
    kind = str(data.get("kind", ""))
    label = WITHOUT_CODE if data.get("without_code") else MESSAGE_LABELS.get(kind, kind)
    text = f"<blockquote>{escape(str(data['text']))}</blockquote>" if data.get("text") else ""
    return f"<p class=when>{_clock(at)} · {escape(label)}</p>{text}"


def _hotline(line: Mapping[str, Any]) -> str:
    hotline = str(line.get("hotline", ""))
    for recipient in _list(_dict(_dict(_dict(line, "body"), "data"), "routing"), "to"):
        if isinstance(recipient, dict) and recipient.get("hotline") == hotline:
            return str(recipient.get("name", hotline))
    return hotline


def _raw(line: Mapping[str, Any]) -> str:
    return escape(json.dumps(line.get("body"), indent=2, ensure_ascii=False))


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _dict(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _list(data: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = data.get(name)
    return value if isinstance(value, list) else ()
