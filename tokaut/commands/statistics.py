"""`tokaut statistics`: the published figures, in the terminal or as files to pass on."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from reports.countries import country
from reports.countries.language_names import LANGUAGE_NAMES
from reports.spreadsheet import with_column
from reports.statistics.aggregation import PublishedFigure
from reports.statistics.dictionary import dictionary_csv
from reports.statistics.examples import EXAMPLE, example_figures
from reports.statistics.helpline_framework import framework_csv
from reports.statistics.svg_charts import standalone
from reports.statistics.tables import (
    QuarterFigures,
    chart_csv,
    chart_svg,
    group_by_quarter,
    payments_csv,
    reports_csv,
)
from reports.store import audit_log
from reports.store.operations import delivery_actions, quarterly_figures
from runtime.settings import Mode
from tokaut.database import open_database
from tokaut.documents.files import write_documents, writing
from tokaut.documents.pages import statistics_html
from tokaut.terminal import CommandError, CommandGroup, did_you_mean, echo

CHARTS = "charts"
CHART_FILE = re.compile(r"[a-z]{2}-\d{4}-q[1-4]-[\w-]+\.(svg|csv)")
NOT_REAL: Mapping[Mode, str] = {
    mode: f"{mode.upper()}. No report here is real." for mode in Mode if mode is not Mode.LIVE
}
MARKS = (EXAMPLE, *NOT_REAL.values())
OF_COUNTRY = click.option("--country", "isos", multiple=True, metavar="vu", help="Only this country; may be repeated.")
MADE_UP = click.option("--example", "made_up", is_flag=True, help="Made-up figures, as an example.")


@click.group(cls=CommandGroup)
def statistics() -> None:
    """Show how many reports there were, about what, from where, and how soon they were read.

    Only figures that may be published are shown. No number under 5 is shown or can be worked out. A quarter is
    published once, two weeks after it is over, and never changes. docs/statistics.md says what is counted, and what
    never is.

    \b
    Example:  tokaut statistics show --country vu
    """


@statistics.command()
@OF_COUNTRY
@MADE_UP
def show(isos: Sequence[str], made_up: bool) -> None:
    """Print the published figures, the newest quarter of each country first.

    \b
    Example:  tokaut statistics show --country vu

    Next: `tokaut statistics export` writes the same as a page and as tables.
    """
    figures, mark = _figures(isos, made_up, "")
    if mark:
        echo(mark)
    quarters = group_by_quarter(figures, LANGUAGE_NAMES)
    for quarter in quarters:
        echo(_as_text(quarter))
    if not quarters:
        echo("No figures yet: each quarter is published two weeks after it ends.")


@statistics.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@OF_COUNTRY
@MADE_UP
def export(folder: Path, isos: Sequence[str], made_up: bool) -> None:
    """Write index.html, tables and charts into FOLDER: for a ministry, for the public, for the press.

    The page is self-contained: it can be put on any web server, mailed or printed. reports.csv has all tables, and
    dictionary.csv says what they mean. payments.csv counts reports by the kind of payment that was asked for or made,
    for bank coalitions. It contains no card or account numbers. child-helpline.csv has the categories in the terms of
    Child Helpline International. charts/ has each chart as SVG and as CSV. The audit records the export. It replaces an
    earlier export in FOLDER as a whole. Each file of an example says that it is one, and so does each file of a demo
    or training. None of them replaces real figures.

    \b
    Example:  tokaut statistics export /srv/www/tokaut

    Next: look at index.html, and read the lines at its top before you pass it on.
    """
    figures, mark = _figures(isos, made_up, "exported:statistics")
    if mark and (real := _real_figures(folder)):
        raise CommandError(f"{real} has figures of real reports. Name another folder for these, which are not.")
    quarters = group_by_quarter(figures, LANGUAGE_NAMES)
    made_on = f"Made on {time.strftime('%Y-%m-%d', time.gmtime())} by Tokaut"
    files = {
        "index.html": statistics_html(quarters, _country_names(), made_on=made_on, mark=mark),
        "reports.csv": reports_csv(quarters),
        "payments.csv": payments_csv(quarters),
        "child-helpline.csv": framework_csv(quarters),
        "dictionary.csv": dictionary_csv(),
    }
    charts = {
        f"{CHARTS}/{sheet.id}.{kind}": text
        for quarter in quarters
        for sheet in quarter.shown
        for kind, text in (
            ("svg", standalone(chart_svg(sheet), _word(mark))),
            ("csv", chart_csv(sheet)),
        )
    }
    texts = {folder / name: text for name, text in (files | charts).items()}
    if mark:
        texts = {path: _as_example(path, text, mark) for path, text in texts.items()}
    with writing(folder, "Name a folder of yours."):
        (folder / CHARTS).mkdir(parents=True, exist_ok=True)
        earlier = [path for path in (folder / CHARTS).iterdir() if CHART_FILE.fullmatch(path.name)]
        write_documents(texts, [path for path in earlier if path not in texts])
    echo(f"{folder}: {', '.join(files)} and {len(charts) // 2} charts, of {len(quarters)} quarters.")


def _real_figures(folder: Path) -> Path | None:
    """Return a file of an earlier export of real reports, or None. Raises CommandError."""
    path = folder / "index.html"
    try:
        text = path.read_text("utf-8", "replace") if path.exists() else EXAMPLE
        return None if any(mark in text for mark in MARKS) else path
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}). Name a folder of yours.") from None


def _as_example(path: Path, text: str, mark: str) -> str:
    return with_column(text, "example", f"{_word(mark)}: made up") if path.suffix == ".csv" else text


def _word(mark: str) -> str:
    """Return the first word of a mark."""
    return mark.partition(".")[0]


def _figures(isos: Sequence[str], made_up: bool, audit_action: str) -> tuple[list[PublishedFigure], str]:
    """Return the figures, and the mark of those that count no real report; "" if they do."""
    countries = [iso.upper() for iso in isos]
    if made_up:
        _refuse_unknown(countries, [])
        return example_figures(country.load_countries(countries or ["vu", "ke"], Mode.DEMO).all), EXAMPLE
    with open_database() as (database, actor):
        figures = quarterly_figures.list_published(database, countries)
        _refuse_unknown(countries, figures)
        if audit_action:
            delivery_actions.record_action(database, audit_action, "figures", actor)
        return figures, NOT_REAL.get(audit_log.database_mode(database), "")


def _refuse_unknown(countries: Sequence[str], figures: Sequence[PublishedFigure]) -> None:
    """Refuse a country that is not shipped and has no figures."""
    known = {iso.upper() for iso in country.shipped_countries()} | {figure.country for figure in figures}
    for iso in countries:
        if iso not in known:
            raise CommandError(
                f"There is no country {iso.lower()}.{did_you_mean(iso, known)} It is one of "
                f"{', '.join(sorted(known)).lower()}."
            )


def _country_names() -> dict[str, str]:
    return {named.iso: named.name for named in country.load_countries(country.shipped_countries(), Mode.DEMO)}


def _as_text(quarter: QuarterFigures) -> str:
    total = "fewer than 5" if quarter.total is None else str(quarter.total)
    lines = [f"\n{quarter.country} {quarter.name}: {total} reports"]
    for sheet in quarter.sheets:
        lines += ["", f"  {sheet.title}"]
        lines += [f"    {label:<34} {'not shown' if number is None else number:>9}" for label, number in sheet.rows]
    return "\n".join(lines)
