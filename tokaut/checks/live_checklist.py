"""The checklist of a country before it can go live, in words for people who do not read country files."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import locales
from flows import catalogues, loader
from flows.catalogues import ENGLISH, messages
from flows.signatures import read_signatures
from reports.countries.country import Country
from reports.countries.hotline import SHOWN_GRADES, Hotline, PhoneNumber, SourcedEntry, is_overdue
from reports.countries.language_names import language_name
from runtime.settings import Mode
from tokaut.screens.coverage import CatalogueCoverage, catalogue_coverage, missing_safety_screens

TEST_MAX_AGE = timedelta(days=7)
MAX_NAMED_FIELDS = 4  # fields of a card that are named; above this only their number is given
LAW_QUESTIONS = {
    "specific": "whether there is a law on them",
    "computer": "whether it names phones and computers",
    "possession": "whether keeping them is against it",
    "defined": "what counts as such a picture",
    "isp": "whether phone and internet companies have to report them",
}
WIDTH = 100
TIP_MAX_AGE = timedelta(days=730)


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One step of the checklist.

    `title`: the missing item. `action`: the next action. `is_blocking`: live mode refuses the country until then.
    """

    key: str
    title: str
    action: str
    is_blocking: bool = True


def checklist(country: Country, languages: Sequence[CatalogueCoverage], today: date) -> tuple[ChecklistItem, ...]:
    """Return the checklist, blocking items first. `languages`: coverage of the country's languages with a catalogue."""
    items = [
        *_faults(country),
        *_disputes(country),
        *_numbers(country),
        *_cards(country),
        *_receivers(country),
        *_dates(country, today),
        *_codes(country),
        *_helpline(country),
        *_languages(country, languages),
        *_law(country),
    ]
    return tuple(sorted(items, key=lambda item: not item.is_blocking))


def _faults(country: Country) -> Iterator[ChecklistItem]:
    """Yield the faults of the file itself, whatever the mode. Each sentence has a remedy."""
    for line in country.problems(Mode.DEMO):
        problem, _, remedy = line.partition("; ")
        yield ChecklistItem(
            "fault",
            f"The country file has an error: {problem.strip('.')}.",
            f"Fix it: {remedy}" if remedy else "Fix the file.",
        )


def _disputes(country: Country) -> Iterator[ChecklistItem]:
    for name, entry in _published(country):
        if entry.conflict and not entry.withdrawn:
            settle = entry.settle or "which number people are to dial"
            yield ChecklistItem(
                "dispute",
                f"The sources do not agree about {name}. To settle: {settle}.",
                f"Ask the service in {country.name}, have each of these numbers dialled from every network, enter "
                "the right one, and delete `conflict = true`.",
            )


def _numbers(country: Country) -> Iterator[ChecklistItem]:
    current = [(name, entry) for name, entry in _published(country) if not entry.withdrawn]
    if unconfirmed := [name for name, entry in current if not entry.verified()]:
        yield ChecklistItem(
            "dialled",
            f"Nobody in {country.name} has confirmed {_these(unconfirmed, 'this number', 'these numbers')}.",
            "Have an organisation there dial each one from every network and ask who answers, at what hours, and "
            "whether the call is free. Then fill in `verified_on` (the day) and `verified_by` (the organisation).",
        )
    unconfirmed_hotlines = [
        entry.name for entry in country.hotlines.values() if not entry.show.phone and not entry.verified()
    ]
    if unconfirmed_hotlines:
        yield ChecklistItem(
            "confirmed",
            f"Nobody in {country.name} has confirmed that this takes reports: {', '.join(unconfirmed_hotlines)}.",
            "Have an organisation there ask them, and their number for people who call. Then fill in `verified_on` and "
            "`verified_by`.",
        )
    if undated := [name for name, entry in current if not entry.source.strip() or not entry.source_date.strip()]:
        yield ChecklistItem(
            "source",
            f"It is not known how old the source is of {_these(undated, 'this number', 'these numbers')}.",
            "Ask the service for a page or a letter with a date, and write that into `source` and `source_date`.",
        )
    if weak := [name for name, entry in current if entry.grade not in SHOWN_GRADES]:
        yield ChecklistItem(
            "grade",
            f"The source is too weak, so that no screen shows {_these(weak, 'this number', 'these numbers')}.",
            "Find it on a page of the service or of the state. Then write that into `source`, and `grade` anew.",
        )


def _cards(country: Country) -> Iterator[ChecklistItem]:
    for hotline in country.hotlines.values():
        missing = hotline.card.missing()
        if missing:
            fields = _list(missing) if len(missing) <= MAX_NAMED_FIELDS else f"{len(missing)} points"
            yield ChecklistItem(
                "card",
                f"There is no agreement with {hotline.name} to take reports: its partner card lacks {fields}.",
                "Meet them, agree on the points (docs/add-a-hotline.md explains each), sign, and fill in the empty "
                f"lines under `[hotline.card]` of {hotline.id}.",
            )


def _receivers(country: Country) -> Iterator[ChecklistItem]:
    if not country.incomplete_to:
        yield ChecklistItem(
            "cut_off",
            "Nobody is named who gets a report of a child in danger when the line drops before Send.",
            "Agree with one hotline that it accepts incomplete reports, and enter its id in `incomplete_to`.",
        )
    if not any(
        hotline.kind == "police" and hotline.covers_category("missing") for hotline in country.hotlines.values()
    ):
        yield ChecklistItem(
            "missing_child",
            "A missing child always goes to police too, and no police desk that takes such reports is in the file.",
            "Agree with the police on a desk that takes them, and add it as a hotline of the kind police.",
        )


def _dates(country: Country, today: date) -> Iterator[ChecklistItem]:
    """Yield overdue checks. They do not block live mode, even if a number has left the first screen because of one."""
    for line in country.overdue(today):
        problem, _, remedy = line.removeprefix(f"{country.file}: ").partition("; ")
        yield ChecklistItem(
            "again",
            problem[:1].upper() + problem[1:].rstrip(".") + ".",
            remedy[:1].upper() + remedy[1:],
            is_blocking=False,
        )
    for hotline in country.hotlines.values():
        if is_overdue(hotline.card.tested_on, TEST_MAX_AGE, today):
            yield ChecklistItem(
                "tested",
                f"The last test delivery to {hotline.name} was on {hotline.card.tested_on}.",
                f"Within the week before the first day: tokaut hotline test {hotline.id}, and note the day as "
                "`tested_on`.",
                is_blocking=False,
            )


def _codes(country: Country) -> Iterator[ChecklistItem]:
    assigned = [code for code in country.codes if code.given]
    if not assigned:
        examples = " and ".join(code.code for code in country.codes)
        note = f": {examples} in the file are examples" if examples else ""
        yield ChecklistItem(
            "code",
            f"No telephone company has given a code to dial or to text{note}. Until then no phone can reach the "
            "service.",
            "Ask each company for one that is free to call and on no bill, put it under `[[code]]`, and take the note "
            "away.",
            is_blocking=False,
        )  # fmt: skip


def _helpline(country: Country) -> Iterator[ChecklistItem]:
    if country.helpline() is None:
        notes = [
            f"{hotline.name} exists, its number {'is withdrawn' if hotline.withdrawn else 'was not found'}"
            for hotline in country.hotlines.values()
            if hotline.kind == "child_helpline"
        ]
        note = f" ({'; '.join(notes)})" if notes else ""
        yield ChecklistItem(
            "helpline",
            f"No child helpline with a phone number is known in {country.name}{note}. The screens name only the "
            "police or the emergency service.",
            "Ask the ministry for children and the telephone companies. If there is one, add it with its source. If "
            "there is none, leave it out: never a number from another country.",
            is_blocking=False,
        )


def _languages(country: Country, coverages: Sequence[CatalogueCoverage]) -> Iterator[ChecklistItem]:
    by_tag = {coverage.tag: coverage for coverage in coverages}
    if untranslated := [language_name(tag) for tag in country.languages if tag not in by_tag and tag != "en"]:
        yield ChecklistItem(
            "no_words",
            f"The screens have not been translated into {_list(untranslated)}.",
            "Have them translated, the most spoken first: docs/add-a-language.md.",
            is_blocking=False,
        )
    if drafts := [coverage.tag for coverage in coverages if not coverage.is_signed]:
        sheets = "; ".join(f"tokaut locales sheet {tag} --country {country.iso.lower()}" for tag in drafts)
        yield ChecklistItem(
            "draft",
            f"Two organisations have not signed the safety screens in {_list(map(language_name, drafts))}. Until then "
            "live mode does not offer it, unless the operator switches a draft on by name.",
            f"Have a native speaker and a child-protection worker read it together and sign. Print it: {sheets}. Then: "
            "tokaut locales sign",
            is_blocking=False,
        )
    for coverage in coverages:
        if coverage.lacking:
            yield ChecklistItem(
                "off_menu",
                f"{language_name(coverage.tag)} is on no menu: safety screens are not translated "
                f"({', '.join(coverage.lacking)}).",
                f"Translate them in locales/{coverage.tag}.po.",
                is_blocking=False,
            )


def _law(country: Country) -> Iterator[ChecklistItem]:
    open_questions = [question for name, question in LAW_QUESTIONS.items() if country.law.stands(name) == "unknown"]
    if open_questions:
        yield ChecklistItem(
            "law",
            f"It is not known what the law of {country.name} says about sexual abuse pictures of children: "
            f"{'; '.join(open_questions)}. "
            'The screen says "we do not know", which never means that it is allowed.',
            "Ask the attorney general's office or a lawyer there, and write the answer with its source under "
            "`[law.latest]`.",
            is_blocking=False,
        )
    if country.duty_to_report is None:
        yield ChecklistItem(
            "duty",
            "It is not known whether the law makes a hotline tell police or child welfare. Screens say that it may "
            "have to.",
            "Ask a lawyer there, and fill in `duty_to_report` and `duty_source`.",
            is_blocking=False,
        )


def _published(country: Country) -> Iterator[tuple[str, SourcedEntry]]:
    """Yield each published number, with the name of its service."""
    for number in country.emergency:
        yield number.display_text(), number
    for hotline in country.hotlines.values():
        if hotline.show.phone:
            yield _name_and_number(hotline), hotline


def _name_and_number(entry: Hotline | PhoneNumber) -> str:
    return f"{entry.name} {entry.show.phone}" if isinstance(entry, Hotline) else entry.display_text()


def _these(names: Sequence[str], singular: str, plural: str) -> str:
    return f"{singular if len(names) == 1 else plural}: {', '.join(names)}"


def _list(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


# The output of `tokaut check --country` for one country: plain words for the people who prepare it.


def explain_country(country: Country, today: date) -> Iterator[str]:
    """Yield the checklist as lines of text. Steps are numbered, so that people can refer to them on the phone."""
    items = checklist(country, _translated(country), today)
    stops = sum(item.is_blocking for item in items)
    yield _head(country, stops, len(items) - stops)
    number = 0
    for title, section in (
        ("Before it can go live", [item for item in items if item.is_blocking]),
        ("It can go live without these; settle them too", [item for item in items if not item.is_blocking]),
    ):
        if section:
            yield f"\n{title}:"
        for item in section:
            number += 1
            yield from _step(number, item)
    if items:
        yield f"\nThe file is {country.file}; docs/add-a-country.md explains it. The same findings, one per line:"


def _head(country: Country, stops: int, optional: int) -> str:
    if not stops:
        return f"{country.name} can go live." + (f" {_count_text(optional)} worth settling." if optional else "")
    more = f", and {optional} more {'is' if optional == 1 else 'are'} worth settling" if optional else ""
    return f"{country.name} cannot go live yet: {_count_text(stops)} to do first{more}."


def _count_text(count: int) -> str:
    return "1 thing is" if count == 1 else f"{count} things are"


def _step(number: int, item: ChecklistItem) -> Iterator[str]:
    yield from _wrapped(f"{number:>2}. {item.title}")
    yield from _wrapped(f"    Next: {item.action}")


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def _translated(country: Country) -> list[CatalogueCoverage]:
    """Return the coverage of each language of the country that has a catalogue, except English."""
    book, catalogues_by_tag = loader.load(), catalogues.load(locales.FOLDER)
    return [catalogue_coverage(tag, book) for tag in country.languages if tag in catalogues_by_tag and tag != ENGLISH]


# Findings that are reported and do not fail a check.


class Advisory(str):
    """A sentence about something that could not be checked or needs attention. It is not a fault."""

    __slots__ = ()


# The check of the screen texts: tips not reviewed for long, draft languages on the menu, and signatures.


def wording_faults(drafts: Sequence[str], today: date) -> Iterator[str]:
    """Yield faults and advisories about screen texts. `drafts`: the draft languages that the operator names."""
    book = loader.load()
    for flow in book.flows.values():
        for topic in flow.topics:
            if today - date.fromisoformat(topic.checked) > TIP_MAX_AGE:
                publishers = "; ".join(flow.sources[name].by for name in topic.sources)
                yield (
                    f"the tip {topic.id} was last checked on {topic.checked}; read it beside its sources again: "
                    f"{publishers}"
                )
    by_tag = catalogues.load(locales.FOLDER)
    yield from signature_faults(today)
    signed = [tag for tag, catalogue in by_tag.items() if catalogue.signed]
    for tag in dict.fromkeys((*drafts, *signed)):
        if tag not in by_tag:
            yield f"TOKAUT_DRAFT_LANGUAGES names {tag}, and there is no such catalogue; look into locales"
        elif missing := missing_safety_screens(by_tag[tag], messages(book)):
            yield f"{by_tag[tag].name} is on no menu: not translated yet: {', '.join(missing)}"
        elif tag in drafts and not by_tag[tag].has_signed(by_tag[tag].words):
            yield Advisory(
                f"{by_tag[tag].name} is offered as a draft: a speaker and a child-protection worker have to sign "
                f"{len(set(by_tag[tag].words) - by_tag[tag].signed)} of its texts"
            )
        elif unsigned := missing_safety_screens(by_tag[tag].as_shown(drafts), messages(book)):
            yield Advisory(
                f"{by_tag[tag].name} is on no menu: two organisations have not signed: {', '.join(unsigned)}"
            )


def signature_faults(today: date) -> Iterator[str]:
    """Yield the faults of all files of signatures."""
    for path in sorted(locales.FOLDER.glob(f"*{catalogues.SIGNATURES}")):
        tag = path.name.removesuffix(catalogues.SIGNATURES)
        if not (locales.FOLDER / f"{tag}.po").is_file() or tag == ENGLISH:
            yield f"locales/{path.name}: there is no translation {tag}.po; take the file away"
            continue
        signatures, faults = read_signatures(tag, path.read_text(encoding="utf-8"))
        yield from (f"locales/{path.name}: {fault}" for fault in faults)
        for signature in signatures:
            if signature.signed_on > today:
                yield f"locales/{path.name}: {signature.organisation} signed on {signature.signed_on}, a day to come"
