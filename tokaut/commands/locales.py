"""`tokaut locales`: how far the translations are, and the sheets for translators and reviewers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from flows import loader
from flows.authoring.catalogue_lint import all_catalogue_faults
from flows.catalogues import ENGLISH, Catalogue, load
from locales import FOLDER
from reports.countries.country import Countries, Country, load_countries, shipped_countries
from reports.countries.language_names import language_name
from runtime.hardening import harden
from runtime.settings import Mode
from tokaut.documents.review_sheet import review_sheet_html
from tokaut.screens.coverage import CatalogueCoverage, ScreenCoverage, catalogue_coverage
from tokaut.screens.coverage import screen_coverage as lines_of
from tokaut.screens.review import ReviewScreen, catalogue_version, placeholder_fields, review_screens, shared_messages
from tokaut.terminal import CommandError, CommandGroup, echo

WIDTH = 118  # if the output is not a terminal
BAR = 20


@click.group(cls=CommandGroup)
def locales() -> None:
    """Check the translations of the screens, and write sheets for their reviewers.

    \b
    Example:  tokaut locales coverage
              tokaut locales sheet bi
    """
    harden()


@locales.command()
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--json", "as_json", is_flag=True, help="All figures, for a program.")
def coverage(tags: tuple[str, ...], as_json: bool) -> None:
    """Show how much of each language is translated and reviewed, and which screens do not fit.

    A screen does not fit if it needs more pages than the English one, or if its heading continues on a second page.
    Every variant of every screen is measured, in each country that speaks the language, by USSD and SMS. A page has 160
    septets, or 70 units if one letter is outside GSM-7. Faults of the files themselves come last, with exit status 1.

    \b
    Example:  tokaut locales coverage
              tokaut locales coverage bi tpi
              tokaut locales coverage --json

    Next: docs/add-a-language.md says who has to read a language before anybody may see it.
    """
    book, catalogues = loader.load(), load(FOLDER)
    selected = _selected_tags(tags, catalogues)
    countries = load_countries(shipped_countries(), Mode.DEMO)
    relevant_countries = [country for country in countries if {*country.languages, ENGLISH} & set(selected)]
    progress = track(relevant_countries, "Laying out every screen", console=Console(stderr=True), transient=True)
    lines = [
        line for country in progress for line in lines_of(book, [country], catalogues) if line.language in selected
    ]
    coverages = [catalogue_coverage(tag, book) for tag in selected]
    if as_json:
        echo(json.dumps(_figures(coverages, lines), indent=2, ensure_ascii=False))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    _print(console, coverages, lines, _untranslated_languages(countries, catalogues) if not tags else [])
    if faults := [
        line for line in _catalogue_faults() if line.startswith(tuple(f"locales/{tag}.po:" for tag in selected))
    ]:
        echo("\n".join(["", "To fix:", *(f"  x {line}" for line in faults)]))
        raise SystemExit(1)


@locales.command()
@click.argument("tag")
@click.option("--country", metavar="ISO", help="Country of the sheet (default: the first that speaks the language).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; sheet-bi-vu.html.")
def sheet(tag: str, country: str | None, out: Path | None) -> None:
    """Write every screen with English beside it, as one page to print, to correct and to sign.

    It is for the two people who must sign before a language goes live: one who grew up with it, and one who works in
    the protection of children. The page has no script and loads nothing from the network.

    \b
    Example:  tokaut locales sheet bi
              tokaut locales sheet sw --country ke --out swahili.html

    Next: open it in a browser, print it, and send it to them. docs/add-a-language.md says what to do with their
    corrections.
    """
    book, catalogues = loader.load(), load(FOLDER)
    [tag] = _selected_tags((tag,), catalogues)
    selected_country, language, name = _select_country(tag, country), catalogues[tag], language_name(tag)
    screens = review_screens(book, selected_country, language)
    path = out or Path(f"sheet-{tag}-{selected_country.iso.lower()}.html")
    text = review_sheet_html(
        of=selected_country,
        language=language,
        name=name,
        facts=_facts(catalogue_coverage(tag, book), selected_country, screens),
        readings=screens,
        words=shared_messages(language),
        fields=placeholder_fields(book, selected_country, language),
        version=catalogue_version(tag),
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}). Name another file: --out FILE") from None
    echo(
        f"{path}: {len(screens)} screens in {name} as {selected_country.name} shows them. Open it in a browser and "
        "print it."
    )


def _select_country(tag: str, country: str | None) -> Country:
    countries = load_countries(shipped_countries(), Mode.DEMO)
    speaking = [candidate for candidate in countries if tag in candidate.languages]
    matching = [candidate for candidate in speaking if country is None or candidate.iso == country.upper()]
    if not matching:
        codes = ", ".join(candidate.iso.lower() for candidate in speaking)
        raise CommandError(f"{language_name(tag)} is not among the languages of {country}; it is in {codes or 'none'}.")
    return matching[0]


def _facts(language: CatalogueCoverage, country: Country, screens: Sequence[ReviewScreen]) -> list[tuple[str, str]]:
    return [
        (
            "Language",
            f"{', '.join(dict.fromkeys((language_name(language.tag), language.name)))} ({language.tag})",
        ),
        ("Country", f"{country.name}, its file of {country.as_of}"),
        ("Printed on", datetime.now(UTC).date().isoformat()),
        ("Version of the words", f"{catalogue_version(language.tag)}, Tokaut {metadata.version('tokaut')}"),
        (
            "Translated",
            f"{language.done} of {language.messages} messages; {len(screens)} screens below",
        ),
        ("Read by", language.reviewed_by or "nobody yet"),
    ]


def _catalogue_faults() -> list[str]:
    return list(
        all_catalogue_faults((file.stem, file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.po")))
    )


def _selected_tags(tags: Sequence[str], catalogues: Mapping[str, Catalogue]) -> list[str]:
    if unknown := [tag for tag in tags if tag not in catalogues]:
        raise CommandError(
            f"There is no catalogue for {', '.join(unknown)}; there are {', '.join(sorted(catalogues))}."
        )
    return sorted(tags or catalogues, key=lambda tag: (tag != ENGLISH, tag))


def _untranslated_languages(countries: Countries, catalogues: Mapping[str, Catalogue]) -> list[str]:
    return sorted({tag for country in countries for tag in country.languages} - set(catalogues))


def _figures(coverages: Iterable[CatalogueCoverage], lines: Sequence[ScreenCoverage]) -> dict[str, object]:
    return {
        "languages": [{**asdict(language), "reviewed": language.reviewed} for language in coverages],
        "lines": [asdict(line) for line in lines],
        "pages": sum(line.pages for line in lines),
    }


def _print(
    console: Console,
    coverages: Sequence[CatalogueCoverage],
    lines: Sequence[ScreenCoverage],
    untranslated: Sequence[str],
) -> None:
    console.print(_languages(coverages))
    for language in coverages:
        if language.lacking:
            console.print(
                f"{language.name} is on no menu: not translated yet: {', '.join(language.lacking)}.",
                highlight=False,
            )
    console.print(_phones(coverages, lines))
    unfit = [line for line in lines if line.unfit]
    if unfit:
        console.print(_screens(unfit))
    pages = sum(line.pages for line in lines)
    console.print(f"{pages:,} pages laid out; {sum(len(line.unfit) for line in unfit):,} screens do not fit.")
    if untranslated:
        console.print(f"Languages of these countries without a catalogue: {', '.join(untranslated)}.", highlight=False)


def _languages(coverages: Iterable[CatalogueCoverage]) -> Table:
    table = Table(title="Words", title_justify="left", title_style="bold")
    for head, justify in (("language", "left"), ("letters", "left"), ("done", "left"), ("reviewed", "left")):
        table.add_column(head, justify="left" if justify == "left" else "right")
    for language in coverages:
        outdated = f", {language.old} of an older English" if language.old else ""
        reviewed = "the source" if language.tag == ENGLISH else "0: a draft"
        if language.tag != ENGLISH and language.reviewed_by:
            reviewed = f"{language.reviewed} of {language.messages}, by {language.reviewed_by}"
        letters = "GSM-7" if language.alphabet == "gsm7" else "UCS-2"
        table.add_row(
            f"{language.tag}  {language.name}",
            letters,
            f"{_bar(language)} {language.done} of {language.messages}{outdated}",
            reviewed,
        )
    return table


def _bar(language: CatalogueCoverage) -> str:
    full = language.done * BAR // language.messages
    return "█" * full + "░" * (BAR - full)


def _phones(coverages: Sequence[CatalogueCoverage], lines: Sequence[ScreenCoverage]) -> Table:
    """Return a table with a row for each language and channel. Countries with the same result share a row."""
    table = Table(title="Screens", title_justify="left", title_style="bold")
    for head in ("language", "channel", "countries", "screens", "pages", "do not fit"):
        table.add_column(head, justify="right" if head in ("screens", "pages", "do not fit") else "left")
    for language in coverages:
        for channel in sorted({line.channel for line in lines}, reverse=True):
            rows = [line for line in lines if (line.language, line.channel) == (language.tag, channel)]
            for unfit in sorted({len(line.unfit) for line in rows}):
                alike = [line for line in rows if len(line.unfit) == unfit]
                where = " ".join(line.country for line in alike)
                table.add_row(
                    language.tag, channel, where, _range(alike, "screens"), _range(alike, "pages"), str(unfit)
                )
    return table


def _range(lines: Sequence[ScreenCoverage], name: str) -> str:
    values = sorted({getattr(line, name) for line in lines})
    return str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}"


def _screens(lines: Sequence[ScreenCoverage]) -> Table:
    table = Table(title="Screens that do not fit", title_justify="left", title_style="bold")
    for head in ("language", "screen", "channel", "pages", "in English", "countries"):
        table.add_column(head, justify="right" if head in ("pages", "in English") else "left")
    rows: dict[tuple[str, str, str, int, int], list[str]] = {}
    for line in lines:
        for oversized in line.unfit:
            rows.setdefault(
                (line.language, oversized.screen, line.channel, oversized.pages, oversized.english), []
            ).append(line.country)
    for (language, screen, channel, pages, english), countries in rows.items():
        table.add_row(language, screen, channel, str(pages), str(english), " ".join(countries))
    return table
