"""A country file (countries/<iso>.toml): numbers, places, codes, law and hotlines, each with where it comes from."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StrictBool, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from reports import wall
from reports.card import SHUT, IsoDate
from reports.country_check import clock_problems, live_problems, none_left, structure_problems
from reports.country_text import line_of, shape
from reports.dialled import Code, bare
from reports.hotline import Hotline, Mode, Number
from reports.hours import read_zone
from reports.kinds import ORDER
from reports.law import Law, law_words
from reports.retention import Periods
from reports.screen_words import screen_words

Zone = Annotated[str, AfterValidator(lambda name: read_zone(name).key)]
SHIPPED = Path(__file__).parent / "countries"


class CountryError(Exception):
    """One or more faults of country files, one line each: file, key, what is wrong."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True, config=SHUT)
class Place:
    code: str  # ISO 3166-2; where ISO has none, a key of our own that cannot be taken for one: CK:atiu
    name: str
    label: str = Field(max_length=14)  # on screens
    group: str | None = None
    time_zone: str = ""  # where it is not the country's


@dataclass(frozen=True, slots=True, kw_only=True, config=SHUT)
class Country:
    iso: str = Field(pattern=r"^[A-Z]{2}$")
    mode: Mode
    name: str
    as_of: IsoDate
    calling_code: str
    time_zone: Zone
    languages: tuple[str, ...] = Field(min_length=1)
    language_word: str = ""  # "language" in the country's other main language
    language_word_source: str = ""
    place_before_send: Literal["place", "group", "none"] = "place"
    incomplete_to: str = ""
    police_on_danger_now: StrictBool = False
    duty_to_report: StrictBool | None = None
    duty_source: str = ""
    emergency: tuple[Number, ...] = ()
    codes: tuple[Code, ...] = ()
    places: tuple[Place, ...] = ()
    hotlines: Mapping[str, Hotline] = field(default_factory=dict)
    law: Law = Law()
    retention: Periods = Periods()
    clocks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # priority → time → minutes

    @property
    def file(self) -> str:
        return f"{self.iso.lower()}.toml"

    @property
    def label(self) -> str:
        """The file and its date, as reports name it: `VU 2026-11-01`."""
        return f"{self.iso} {self.as_of}"

    @property
    def dialled(self) -> tuple[tuple[str, str], ...]:
        """(channel, code) of each way in, as it is looked up by."""
        return tuple((code.channel, bare(code.code)) for code in self.codes)

    @property
    def may_have_to_tell(self) -> bool:
        """Whether Send says that the hotline may have to tell others: not established reads as it may (S-37)."""
        return self.duty_to_report is not False or not self.duty_source

    def place(self, value: str | None) -> Place | None:
        """The place with this code; a group of one place is that place."""
        codes = self.codes_in(value)
        return next((place for place in self.places if codes == {place.code}), None)

    def codes_in(self, value: str | None) -> frozenset[str]:
        """The codes of a place or of a group of places; none for what is neither."""
        return frozenset([place.code for place in self.places if value in (place.code, place.group)] if value else ())

    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.group for place in self.places if place.group))

    def helpline(self) -> Hotline | None:
        """The first child helpline with a number that this mode may show."""
        return next((h for h in self.hotlines.values() if h.kind == "child_helpline" and self.shows(h)), None)

    def shows(self, hotline: Hotline) -> bool:
        return hotline.phone is not None and hotline.phone.may_show(self.mode)

    def takers(self, category: str) -> tuple[Hotline, ...]:
        """The hotlines of the kinds for a category, in the order in which they are asked."""
        return tuple(h for kind in ORDER[category] for h in self.hotlines.values() if h.kind == kind)

    def fields(self, say: Callable[[str], str] = str) -> dict[str, str]:
        """What the placeholders of flows mean here; `say` translates."""
        return screen_words(
            numbers=self.emergency,
            mode=self.mode,
            helpline=self.helpline(),
            hotlines=self.hotlines.values(),
            fallback=self.hotlines.get(self.incomplete_to),
            service_code=next((code.code for code in self.codes if code.channel == "ussd"), ""),
            language=self.language_word,
            say=say,
        ) | {"country": self.name.partition(" (")[0], **law_words(self.law, say)}

    def problems(self, mode: Mode) -> list[str]:
        """What keeps this country from this mode, a sentence each, beginning with the file."""
        found = structure_problems(
            emergency=self.emergency,
            hotlines=self.hotlines,
            incomplete_to=self.incomplete_to,
            places=[place.code for place in self.places],
            duty_without_source=self.duty_to_report is not None and not self.duty_source,
        )
        found += self.law.problems()
        found += self.retention.problems()
        found += clock_problems(self.hotlines, self.clocks)
        if mode == "live":
            found += live_problems(emergency=self.emergency, hotlines=self.hotlines, incomplete_to=self.incomplete_to)
        return [f"{self.file}: {line}" for line in found]

    def overdue(self, today: date) -> list[str]:
        """What has to be confirmed again, or is gone. `tokaut check` fails for it; no start does."""
        found = [line for h in self.hotlines.values() for line in h.overdue(today)]
        return [f"{self.file}: {line}" for line in (*none_left(self.emergency), *found)]


@dataclass(frozen=True, slots=True)
class Countries:
    """The countries that are switched on, in the operator's order."""

    all: tuple[Country, ...]
    _dialled: dict[tuple[str, str], Country] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        first = {key: country for country in reversed(self.all) for key in country.dialled}
        object.__setattr__(self, "_dialled", first)  # looked up for each request

    def __iter__(self) -> Iterator[Country]:
        return iter(self.all)

    @property
    def hotlines(self) -> tuple[Hotline, ...]:
        """Of all of them."""
        return tuple(hotline for country in self.all for hotline in country.hotlines.values())

    @property
    def names(self) -> Mapping[str, str]:
        """Hotline → how screens call it."""
        return {hotline.id: hotline.screen_name for hotline in self.hotlines}

    def home_of(self, hotline: str) -> Country | None:
        return next((country for country in self.all if hotline in country.hotlines), None)

    def get(self, iso: str) -> Country | None:
        return next((country for country in self.all if country.iso == iso.upper()), None)

    def by_code(self, channel: str, dialled: str | None) -> Country:
        """The country whose code was dialled; unknown or absent: the first one."""
        wanted = bare(dialled or "")
        return self._dialled.get((channel, wanted), self.all[0]) if wanted else self.all[0]

    def problems(self, mode: Mode) -> list[str]:
        found = [line for country in self.all for line in country.problems(mode)]
        seen: dict[tuple[str, str], str] = {}
        for country in self.all:
            for key in country.dialled:
                first = seen.setdefault(key, country.file)
                if first != country.file:
                    found.append(f"{country.file}: code {key[1]} ({key[0]}) stands in {first} too; keep one of them.")
        return found


def load(iso: str, text: str, mode: Mode) -> Country:
    """A country from the text of its file; raises CountryError with every fault of the text."""
    file = f"{iso.lower()}.toml"
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CountryError([f"{file}: {error}"]) from error
    lines = shape(raw)
    raw["mode"] = mode
    try:
        country = TypeAdapter(Country).validate_python(raw)
    except ValidationError as error:
        raise CountryError(
            f"{file}: {line}" for line in lines + [line_of(fault) for fault in error.errors()]
        ) from error
    if country.iso.lower() != iso.lower():
        lines.append(f"iso: {country.iso} does not belong in {file}")
    if lines:
        raise CountryError(f"{file}: {line}" for line in lines)
    return country


def load_all(names: Collection[str], mode: Mode, folder: Path | None = None, *, as_written: bool = False) -> Countries:
    """The named countries; a file in `folder` replaces the shipped one. Raises CountryError with all faults of all.

    Outside live mode no address of the live service is in them, but `as_written`, for whoever only looks at the file.
    """
    countries: list[Country] = []
    lines: list[str] = []
    for name in names:
        try:
            countries.append(load(name, _text(name, folder), mode))
        except CountryError as error:
            lines += error.lines
    if not names:
        lines.append("COUNTRIES: names no country; name one, for example vu")
    lines += wall.faults(countries)
    if lines:
        raise CountryError(lines)
    if as_written:
        return Countries(tuple(countries))
    return Countries(tuple(replace(country, hotlines=wall.of_mode(country.hotlines, mode)) for country in countries))


def shipped() -> list[str]:
    """The names of the countries that have a file here."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def _text(name: str, folder: Path | None) -> str:
    file = f"{name.lower()}.toml"
    for place in (folder, SHIPPED):
        if place and name.isalpha() and (place / file).is_file():
            return (place / file).read_text(encoding="utf-8")
    raise CountryError([f"COUNTRIES: there is no country file {file}; shipped are {', '.join(shipped())}"])
