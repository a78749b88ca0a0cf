"""`tokaut locales`: the progress of translations, the sheets for their reviewers, and the reviewers' signatures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from flows import loader
from flows.authoring.catalogue_lint import all_catalogue_faults
from flows.catalogues import ENGLISH, SIGNATURES, Catalogue, load
from flows.signatures import (
    HEADER,
    Role,
    Signature,
    name_fault,
    read_signatures,
    role_fault,
    same_name,
    shown_english,
    text_key,
    write_signature,
)
from locales import FOLDER
from reports.countries.country import Countries, Country, load_countries, shipped_countries
from reports.countries.language_names import language_name
from runtime.hardening import harden
from runtime.settings import Mode
from tokaut.documents.files import write_documents, write_page, writing
from tokaut.documents.review_sheet import ReadSheet, SheetRow, read_sheet, review_sheet_html
from tokaut.screens.coverage import CatalogueCoverage, ScreenCoverage, TextState, catalogue_coverage, signature_text
from tokaut.screens.coverage import screen_coverage as lines_of
from tokaut.screens.review import (
    ReviewScreen,
    ReviewText,
    catalogue_version,
    other_messages,
    placeholder_fields,
    review_screens,
    shared_messages,
)
from tokaut.terminal import CommandError, CommandGroup, echo

WIDTH = 118  # if the output is not a terminal
BAR = 20


@click.group(cls=CommandGroup)
def locales() -> None:
    """Check the translations of the screens, print them for reviewers, and enter what those have signed.

    \b
    Example:  tokaut locales coverage
              tokaut locales sheet bi
              tokaut locales sign bi --organisation "..." --role language --from sheet-bi-vu.html
    """
    harden()


@locales.command()
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--json", "as_json", is_flag=True, help="All figures, for a program.")
def coverage(tags: tuple[str, ...], as_json: bool) -> None:
    """Show how much of each language is translated and signed, and which screens do not fit.

    A text is signed if two organisations have signed it as it is now, stale if its English or its translation has
    changed since, and otherwise a draft. A text that several flows show counts in each of them.

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
@click.option("--unsigned", is_flag=True, help="Only texts that are not signed by both, for use after a change.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; sheet-bi-vu.html.")
def sheet(tag: str, country: str | None, unsigned: bool, out: Path | None) -> None:
    """Write every screen in the order of a call with English beside it, as one page to print, to correct and to sign.

    It is for the two people who must sign before a language goes live: one who grew up with it, and one who works in
    the protection of children. The page has no script and loads nothing from the network.

    \b
    Example:  tokaut locales sheet bi
              tokaut locales sheet sw --country ke --out swahili.html

    Next: open it in a browser, print it, and send it to them. Keep the file: `tokaut locales sign` reads from it what
    they have read. docs/add-a-language.md says what to do with their corrections.
    """
    book, catalogues = loader.load(), load(FOLDER)
    [tag] = _selected_tags((tag,), catalogues)
    selected_country, language, name = _select_country(tag, country), catalogues[tag], language_name(tag)
    screens, shared = review_screens(book, selected_country, language), shared_messages(language)
    others = other_messages(language, screens, shared)
    if unsigned:
        screens = [screen for screen in screens if not screen.translated or not language.has_signed(screen.messages)]
        shared, others = _without_signed(shared, language), _without_signed(others, language)
    today = datetime.now(UTC).date()
    path = out or Path(f"sheet-{tag}-{selected_country.iso.lower()}.html")
    text = review_sheet_html(
        country=selected_country,
        language=language,
        name=name,
        facts=_facts(catalogue_coverage(tag, book), selected_country, screens),
        readings=screens,
        shared=shared,
        others=others,
        fields=placeholder_fields(book, selected_country, language),
        version=catalogue_version(tag),
        printed_on=today,
    )
    write_page(path, text, "Name another file: --out FILE")
    echo(
        f"{path}: {len(screens)} screens in {name} as {selected_country.name} shows them. Open it in a browser and "
        "print it."
    )


def _without_signed(texts: Iterable[ReviewText], language: Catalogue) -> list[ReviewText]:
    return [text for text in texts if not language.has_signed([text.message])]


@locales.command()
@click.argument("tag")
@click.option("--organisation", required=True, metavar="NAME", help="Who signs, as on the paper: no name of a person.")
@click.option(
    "--role",
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="language: its people grew up with the language; protection: they work in the protection of children.",
)
@click.option("--from", "source", required=True, type=click.Path(path_type=Path), help="The sheet that they have read.")
@click.option("--only", default="", metavar="ROWS", help="Only these rows of the sheet: 1-40,52,report.danger.")
@click.option("--except", "without", default="", metavar="ROWS", help="Not these: they were not ticked good.")
@click.option("--date", "day", metavar="DAY", help="When they signed (default: today), such as 2026-11-29.")
def sign(*, tag: str, organisation: str, role: str, source: Path, only: str, without: str, day: str | None) -> None:
    """Enter what one organisation has signed: the texts of a sheet, without the rows that were not ticked good.

    A text that stands in an excepted row is not signed, even if another row shows it too; neither is one that has
    changed since the sheet was printed. A language is shown once two organisations, one of each role, have signed.

    \b
    Example:  tokaut locales sign bi --organisation "Name on the paper" --role language --from sheet-bi-vu.html
              tokaut locales sign bi --organisation "Another name" --role protection --from sheet-bi-vu.html \\
                --except 12,40-44,my.messages --date 2026-11-29

    Next: commit the file that it names. `tokaut locales coverage` shows what is signed.
    """
    catalogues = load(FOLDER)
    [tag] = _selected_tags((tag,), catalogues)
    if tag == ENGLISH:
        raise CommandError("English is the source: nobody signs it.")
    sheet_read, today = _read_sheet(source, tag), datetime.now(UTC).date()
    signature = Signature(organisation, Role(role), _day(day, sheet_read.printed_on, today))
    earlier, faults = read_signatures(tag, signature_text(tag))
    if fault := name_fault(organisation) or role_fault(signature, earlier):
        raise CommandError(f"{fault[:1].upper()}{fault[1:]}.")
    if faults:
        raise CommandError(f"locales/{tag}{SIGNATURES}: {faults[0]}. Fix that first.")
    read = _ticked(sheet_read, only, without)
    english_by_key = {text_key(tag, name, own): name for name, own in catalogues[tag].words.items()}
    before = {
        key for other in earlier if same_name(other.organisation) == same_name(organisation) for key in other.texts
    }
    new = {key: shown_english(english_by_key[key]) for key in english_by_key if key in read - before}
    changed = len(read - set(english_by_key))
    since = f" {changed} texts have changed since the sheet was printed and are not signed." if changed else ""
    if not new:
        raise CommandError(f"Nothing to sign: {len(read & before)} texts of these rows were signed before.{since}")
    path = FOLDER / f"{tag}{SIGNATURES}"
    block = write_signature(tag, replace(signature, texts=new))
    with writing(path, "Run it in a checkout of your own."):
        write_documents({path: (signature_text(tag) or HEADER.format(tag=tag)) + block})
    total, both = len(english_by_key), len(load(FOLDER)[tag].signed)
    echo(
        f"locales/{path.name}: {len(new)} texts signed by {organisation} ({role}).{since} Of {total} texts {both} are "
        "signed by both now."
    )


def _read_sheet(path: Path, tag: str) -> ReadSheet:
    try:
        read = read_sheet(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read ({getattr(error, 'strerror', 'it is not text')}).") from None
    if read is None:
        raise CommandError(f"{path} is not a sheet; name the file that `tokaut locales sheet {tag}` wrote.")
    if read.language != tag:
        raise CommandError(f"{path} is a sheet of {language_name(read.language)}, not of {language_name(tag)}.")
    return read


def _day(day: str | None, printed_on: date, today: date) -> date:
    try:
        signed_on = date.fromisoformat(day) if day else today
    except ValueError:
        raise CommandError(f"{day} is not a date; write it as {today}.") from None
    if not printed_on <= signed_on <= today:
        raise CommandError(f"{signed_on} cannot be the date: the sheet is of {printed_on}, and today is {today}.")
    return signed_on


def _ticked(sheet_read: ReadSheet, only: str, without: str) -> set[str]:
    """Return the keys that the selected rows show, without those that an excepted row shows too."""
    excepted = _rows(sheet_read, without)
    selected = (_rows(sheet_read, only) if only.strip() else set(sheet_read.rows)) - excepted
    keys = {key for row in selected for key in row.keys}
    return keys - {key for row in excepted for key in row.keys}


def _rows(sheet_read: ReadSheet, names: str) -> set[SheetRow]:
    """Return the rows that a list names: by number, by a range of numbers, or by screen."""
    selected: set[SheetRow] = set()
    for name in filter(None, map(str.strip, names.split(","))):
        first, _, last = name.partition("-")
        if first.isdigit() and (not last or last.isdigit()):
            rows = {row for row in sheet_read.rows if int(first) <= row.number <= int(last or first)}
        else:
            rows = {row for row in sheet_read.rows if row.screen == name}
        if not rows:
            raise CommandError(f"The sheet has no row {name}: it has 1 to {len(sheet_read.rows)}, and screens.")
        selected |= rows
    return selected


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
        ("Signed by", ", ".join(language.signed_by) or "nobody yet"),
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
        "languages": [asdict(language) for language in coverages],
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
    console.print(_parts(coverages))
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
    for head in ("language", "letters", "translated", *TextState, "signed by"):
        table.add_column(head, justify="right" if head in list(TextState) else "left")
    for language in coverages:
        outdated = f", {language.old} of an older English" if language.old else ""
        signed_by = (
            f"{', '.join(language.signed_by) or 'nobody'}{f'; {language.halves} by one' if language.halves else ''}"
        )
        table.add_row(
            f"{language.tag}  {language.name}",
            "GSM-7" if language.alphabet == "gsm7" else "UCS-2",
            f"{_bar(language)} {language.done} of {language.messages}{outdated}",
            *(str(language.states[state]) for state in TextState),
            "the source" if language.tag == ENGLISH else signed_by,
        )
    return table


def _parts(coverages: Iterable[CatalogueCoverage]) -> Table:
    """Return a table of the parts of the languages: the flows, and the texts outside of flows."""
    title = "Parts (a text that several flows show counts in each)"
    table = Table(title=title, title_justify="left", title_style="bold")
    shown = [language for language in coverages if language.tag != ENGLISH]
    for head in ("part", *(language.tag for language in shown)):
        table.add_column(head)
    for name in shown[0].parts if shown else ():
        table.add_row(name, *(_part(language.parts[name]) for language in shown))
    return table


def _part(states: Mapping[TextState, int]) -> str:
    counts = [f"{states[state]} {state}" for state in TextState if states[state]]
    return "\n".join(counts)


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
