"""What a country still needs before it can go live, in words for people who read no country file. Pure.

Each step says what is missing and what to do next. `stops`: live mode refuses the country until it is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from reports.countries.country import Country
from reports.countries.hotline import Hotline, PhoneNumber, SourcedEntry, is_overdue
from reports.countries.language_names import language_name
from tokaut.screens.coverage import CatalogueCoverage

TEST_MAX_AGE = timedelta(days=7)
MAX_NAMED_FIELDS = 4  # fields of a card that are named one by one
SHOWN_GRADES = ("official", "secondary")
LAW_QUESTIONS = {
    "specific": "whether there is a law on them",
    "computer": "whether it names phones and computers",
    "possession": "whether keeping them is against it",
    "defined": "what counts as such a picture",
    "isp": "whether phone and internet companies have to report them",
}


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    key: str
    what: str
    do: str
    stops: bool = True


def steps(country: Country, languages: Sequence[CatalogueCoverage], today: date) -> tuple[ChecklistItem, ...]:
    """`languages`: those of this country that have a catalogue. What stops comes first."""
    found = [
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
    return tuple(sorted(found, key=lambda step: not step.stops))


def _faults(of: Country) -> Iterator[ChecklistItem]:
    """Of the file itself, whatever the mode: each sentence says what to do."""
    for line in of.problems("demo"):
        what, _, do = line.partition("; ")
        yield ChecklistItem(
            "fault", f"The file is wrong: {what.strip('.')}.", f"Mend it: {do}" if do else "Mend the file."
        )


def _disputes(of: Country) -> Iterator[ChecklistItem]:
    for name, one in _published(of):
        if one.conflict and not one.withdrawn:
            settle = one.settle or "which number people are to dial"
            yield ChecklistItem(
                "dispute",
                f"The sources do not agree about {name}. To settle: {settle}.",
                f"Ask the service in {of.name}, have each of these numbers dialled from every network, put in the one "
                "that is right, and take `conflict = true` out.",
            )


def _numbers(of: Country) -> Iterator[ChecklistItem]:
    there = [(name, one) for name, one in _published(of) if not one.withdrawn]
    if silent := [name for name, one in there if not one.verified()]:
        yield ChecklistItem(
            "dialled",
            f"Nobody in {of.name} has confirmed {_these(silent, 'this number', 'these numbers')}.",
            "Have an organisation there dial each one from every network and ask who answers, at what hours, and "
            "whether the call is free. Then fill in `verified_on` (the day) and `verified_by` (the organisation).",
        )
    unseen = [one.name for one in of.hotlines.values() if not one.show.phone and not one.verified()]
    if unseen:
        yield ChecklistItem(
            "confirmed",
            f"Nobody in {of.name} has confirmed that this takes reports: {', '.join(unseen)}.",
            "Have an organisation there ask them, and their number for people who call. Then fill in `verified_on` and "
            "`verified_by`.",
        )
    if undated := [name for name, one in there if not one.source.strip() or not one.source_date.strip()]:
        yield ChecklistItem(
            "source",
            f"It is not known how old the source is of {_these(undated, 'this number', 'these numbers')}.",
            "Ask the service for a page or a letter with a date, and write that into `source` and `source_date`.",
        )
    if weak := [name for name, one in there if one.grade not in SHOWN_GRADES]:
        yield ChecklistItem(
            "grade",
            f"The source is too weak, so that no screen shows {_these(weak, 'this number', 'these numbers')}.",
            "Find it on a page of the service or of the state. Then write that into `source`, and `grade` anew.",
        )


def _cards(of: Country) -> Iterator[ChecklistItem]:
    for one in of.hotlines.values():
        missing = one.card.missing()
        if missing:
            lacks = _list(missing) if len(missing) <= MAX_NAMED_FIELDS else f"{len(missing)} points"
            yield ChecklistItem(
                "card",
                f"There is no agreement with {one.name} to take reports: its partner card lacks {lacks}.",
                "Meet them, agree on the points (docs/add-a-hotline.md explains each), sign, and fill in the empty "
                f"lines under `[hotline.card]` of {one.id}.",
            )


def _receivers(of: Country) -> Iterator[ChecklistItem]:
    if not of.incomplete_to:
        yield ChecklistItem(
            "cut_off",
            "Nobody is named who gets a report of a child in danger when the line drops before Send.",
            "Agree with one hotline that it takes these, and name it as `incomplete_to`.",
        )
    if not any(one.kind == "police" and one.covers_category("missing") for one in of.hotlines.values()):
        yield ChecklistItem(
            "missing_child",
            "A missing child always goes to police too, and no police desk that takes such reports is in the file.",
            "Agree with the police on a desk that takes them, and add it as a hotline of the kind police.",
        )


def _dates(of: Country, today: date) -> Iterator[ChecklistItem]:
    """What a date has passed for stops no start; what is gone from the first screen does not either."""
    for line in of.overdue(today):
        what, _, do = line.removeprefix(f"{of.file}: ").partition("; ")
        yield ChecklistItem(
            "again", what[:1].upper() + what[1:].rstrip(".") + ".", do[:1].upper() + do[1:], stops=False
        )
    for one in of.hotlines.values():
        if is_overdue(one.card.tested_on, TEST_MAX_AGE, today):
            yield ChecklistItem(
                "tested",
                f"The last test delivery to {one.name} was on {one.card.tested_on}.",
                f"Within the week before the first day: tokaut hotline test {one.id}, and note the day as `tested_on`.",
                stops=False,
            )


def _codes(of: Country) -> Iterator[ChecklistItem]:
    given = [code for code in of.codes if code.given]
    if not given:
        examples = " and ".join(code.code for code in of.codes)
        shown = f": {examples} in the file are examples" if examples else ""
        yield ChecklistItem(
            "code",
            f"No telephone company has given a code to dial or to text{shown}. Until then no phone can reach the "
            "service.",
            "Ask each company for one that is free to call and on no bill, put it under `[[code]]`, and take the note "
            "away.",
            stops=False,
        )  # fmt: skip


def _helpline(of: Country) -> Iterator[ChecklistItem]:
    if of.helpline() is None:
        named = [one.name for one in of.hotlines.values() if one.kind == "child_helpline"]
        there = f" ({', '.join(named)} exists, its number was not found)" if named else ""
        yield ChecklistItem(
            "helpline",
            f"No helpline for children with a number was found in {of.name}{there}. Screens name "
            "police or emergency alone.",
            "Ask the ministry for children and the telephone companies. If there is one, add it with its source. If "
            "there is none, leave it out: never a number from another country.",
            stops=False,
        )


def _languages(of: Country, known: Sequence[CatalogueCoverage]) -> Iterator[ChecklistItem]:
    there = {one.tag: one for one in known}
    if lacking := [language_name(tag) for tag in of.languages if tag not in there and tag != "en"]:
        yield ChecklistItem(
            "no_words",
            f"The screens have not been translated into {_list(lacking)}.",
            "Have them translated, the most spoken first: docs/add-a-language.md.",
            stops=False,
        )
    if drafts := [one.tag for one in known if not one.reviewed_by]:
        sheets = "; ".join(f"tokaut locales sheet {tag} --country {of.iso.lower()}" for tag in drafts)
        yield ChecklistItem(
            "draft",
            f"Nobody who speaks the language has read the translation into "
            f"{_list(map(language_name, drafts))}. Until then "
            "live mode offers English alone, unless the operator switches a draft on by name.",
            f"Have a native speaker and a child-protection worker read it together and sign. Print it: {sheets}",
            stops=False,
        )
    for one in known:
        if one.lacking:
            yield ChecklistItem(
                "off_menu",
                f"{language_name(one.tag)} is on no menu: safety screens are not translated "
                f"({', '.join(one.lacking)}).",
                f"Translate them in locales/{one.tag}.po.",
                stops=False,
            )


def _law(of: Country) -> Iterator[ChecklistItem]:
    unknown = [words for name, words in LAW_QUESTIONS.items() if of.law.stands(name) == "unknown"]
    if unknown:
        yield ChecklistItem(
            "law",
            f"It is not known what the law of {of.name} says about sexual abuse pictures of children: "
            f"{'; '.join(unknown)}. "
            'The screen says "we do not know", which never means that it is allowed.',
            "Ask the attorney general's office or a lawyer there, and write the answer with its source under "
            "`[law.latest]`.",
            stops=False,
        )
    if of.duty_to_report is None:
        yield ChecklistItem(
            "duty",
            "It is not known whether the law makes a hotline tell police or child welfare. Screens say that it may "
            "have to.",
            "Ask a lawyer there, and fill in `duty_to_report` and `duty_source`.",
            stops=False,
        )


def _published(of: Country) -> Iterator[tuple[str, SourcedEntry]]:
    """Each number that somebody published, with its service."""
    for number in of.emergency:
        yield number.say(), number
    for hotline in of.hotlines.values():
        if hotline.show.phone:
            yield _said(hotline), hotline


def _said(one: Hotline | PhoneNumber) -> str:
    return f"{one.name} {one.show.phone}" if isinstance(one, Hotline) else one.say()


def _these(names: Sequence[str], one: str, several: str) -> str:
    return f"{one if len(names) == 1 else several}: {', '.join(names)}"


def _list(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
