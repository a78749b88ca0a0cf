"""The access log, for leads and auditors: each act on a report as a sentence, without any word of a report.

It can be filtered by person, report, act and day, and downloaded after a repeated check of the login.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, request

from console.auth.access_control import AUDITOR, LEAD, READERS, StaffRequest, requires
from console.presenters import access_log as presenter
from console.presenters.case_rows import parse_reference, reference
from console.responses import current_query, download, page
from console.services import hotline_zone, services
from console.templating import actor_name, fill_placeholders, format_time, select_catalogue
from console.views.case import account_names
from flows.catalogues import Catalogue
from reports.spreadsheet import as_csv
from reports.store.staff import access_log, accounts
from reports.store.staff.access_log import AccessFilter, LoggedAct, Position
from runtime.time_units import SECOND

bp = Blueprint("access_log", __name__)

CSV_HEAD = ("who", "act", "sentence", "report", "about")
FILE_NAME = "access-log.csv"


@dataclass(frozen=True, slots=True)
class LogFilter:
    """The fields of the form above the log. `day`: an ISO date on the hotline's clock."""

    person: str = ""
    report: str = ""
    act: str = ""
    day: str = ""

    @property
    def query(self) -> str:
        """Return the fields that are set, as a query string."""
        return urlencode({name: value for name, value in asdict(self).items() if value})


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log. `tag`: the language of the sentence if it is not that of the page.

    `reference`: the end of the report's id. `link`: its page; empty if the reader may not open it.
    """

    at: int
    words: str
    tag: str
    report_id: str
    reference: str
    link: str


@bp.get("/audit")
@requires(LEAD, AUDITOR)
def show_log(me: StaffRequest) -> Response:
    """Show one page of the log."""
    query = current_query()
    log_filter = _read_filter(query)
    log_page = access_log.list_acts(
        services.database, me.account, _access_filter(me, log_filter, query.get("before", ""))
    )
    return page(
        "audit.html",
        me=me,
        asked=log_filter,
        people=accounts.list_accounts(services.database, me.account.hotline),
        groups={key: name for key, (name, _) in presenter.GROUPS.items()},
        lines=_lines(me, log_page.acts),
        is_first="before" not in query,
        is_wrong_day=bool(log_filter.day)
        and _day_bounds(log_filter.day, hotline_zone(me.account.hotline)) == (None, None),
        older=_page_address(log_filter, log_page.older) if log_page.older else "",
        newest=_page_address(log_filter, None),
    )


@bp.post("/audit/export")
@requires(LEAD, AUDITOR, fresh=True, back="/audit")
def export_log(me: StaffRequest) -> Response:
    """Return the acts that match the filter as CSV. The log records the download first."""
    access_filter = _access_filter(me, _read_filter(me.form), "")
    accounts.record_act(services.database, me.account, "exported:access_log", "access_log")
    acts, names = access_log.list_all_acts(services.database, me.account, access_filter), account_names(me)
    rows = [_csv_row(me, act, names) for act in acts]
    head = (f"when ({hotline_zone(me.account.hotline)})", *CSV_HEAD)
    return download(as_csv(head, rows), "text/csv; charset=utf-8", FILE_NAME)


def _read_filter(fields: Mapping[str, str]) -> LogFilter:
    return LogFilter(*(fields.get(name, "").strip()[:64] for name in LogFilter.__dataclass_fields__))


def _access_filter(me: StaffRequest, asked: LogFilter, before: str) -> AccessFilter:
    _, acts = presenter.GROUPS.get(asked.act, ("", ()))
    day_start, next_day = _day_bounds(asked.day, hotline_zone(me.account.hotline))
    return AccessFilter(asked.person, _digits(asked.report), acts, day_start, next_day, _position(before))


def _digits(asked: str) -> str:
    """Return a whole id, or the digits of a reference as the pages show it: `DF0 675`."""
    return asked.lower() if len(asked) == access_log.ID_LENGTH else parse_reference(asked) or asked.lower()


def _day_bounds(text: str, zone: ZoneInfo) -> tuple[int | None, int | None]:
    """Return the first moment of a day and of the next one; None twice if the text is no date."""
    try:
        day = date.fromisoformat(text)
        day_start, next_day = (
            int(datetime.combine(date_, time(), zone).timestamp()) * SECOND for date_ in (day, day + timedelta(1))
        )
    except (ValueError, OverflowError):
        return None, None
    return day_start, next_day


def _position(text: str) -> Position | None:
    at, _, audit_id = text.partition(".")
    return Position(int(at), audit_id[:36]) if at.isascii() and at.isdigit() and len(at) < 18 else None


def _page_address(asked: LogFilter, after: Position | None) -> str:
    before = urlencode({"before": f"{after.at}.{after.audit_id}"}) if after else ""
    return "/audit?" + "&".join(part for part in (asked.query, before) if part)


def _lines(me: StaffRequest, acts: Sequence[LoggedAct]) -> list[LogLine]:
    catalogue = select_catalogue(request, services.page_catalogues)
    names = account_names(me)
    report_ids = {act.report_id for act in acts if act.report_id}
    may_read = me.account.role in READERS and report_ids
    openable = access_log.list_visible(services.database, me.account, report_ids) if may_read else frozenset()
    lines = []
    for act in acts:
        words, tag = _sentence(act, names, catalogue)
        link = f"/reports/{act.report_id}" if act.report_id in openable else ""
        lines.append(LogLine(act.at, words, tag, act.report_id, reference(act.report_id), link))
    return lines


def _who(logged_act: LoggedAct) -> str:
    return actor_name(logged_act.actor.rpartition("/")[2])


def _sentence(logged_act: LoggedAct, names: Mapping[str, str], catalogue: Catalogue) -> tuple[str, str]:
    """Return the sentence of an act, and its language if that is not the page's."""
    template = presenter.sentence(logged_act.act)
    fields = {"who": catalogue.translate(_who(logged_act)), "about": presenter.subject(logged_act, names)}
    if template == presenter.OTHER_ACT:
        return fill_placeholders(template, fields | {"act": presenter.act_words(logged_act.act)}), "en"
    return fill_placeholders(catalogue.translate(template), fields), ""


def _csv_row(me: StaffRequest, logged_act: LoggedAct, names: Mapping[str, str]) -> tuple[str, ...]:
    fields = {
        "who": _who(logged_act),
        "about": presenter.subject(logged_act, names),
        "act": presenter.act_words(logged_act.act),
    }
    words = fill_placeholders(presenter.sentence(logged_act.act), fields)
    about = "" if logged_act.report_id and "/" not in logged_act.object_id else presenter.subject(logged_act, names)
    return (
        format_time(logged_act.at, hotline_zone(me.account.hotline)),
        _who(logged_act),
        logged_act.act,
        words,
        logged_act.report_id,
        about,
    )
