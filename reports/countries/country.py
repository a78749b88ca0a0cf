"""Country files (countries/<iso>.toml): numbers, places, codes, law and hotlines, each with its source."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import AfterValidator, Field, StrictBool, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from reports.countries import validation
from reports.countries.hotline import FORBID_EXTRA, KINDS_BY_CATEGORY, Hotline, IsoDate, PhoneNumber
from reports.countries.law import Law, law_placeholders
from reports.countries.opening_hours import parse_zone
from reports.countries.referral import (
    ReferralChoice,
    ReferralService,
    overdue_services,
    service_choices,
    service_problems,
    sorted_choices,
)
from reports.countries.safe_hours import MAX_SPREAD_HOURS, safe_hours, spread
from reports.countries.validation import (
    code_problems,
    escalation_problems,
    live_problems,
    place_problems,
    placeholder_values,
    structure_problems,
    withdrawn_emergency_problems,
)
from reports.recordings import MAX_SECONDS, MIN_SECONDS
from reports.retention import LOCAL_COPY, LOCAL_KINDS, RetentionPeriods, RetentionPolicy
from runtime.operator_error import OperatorError
from runtime.settings import Mode
from runtime.telephony import ChannelKind

_NON_KEY = re.compile(r"[^\d*]+")


# Service codes: the codes that a phone dials or texts to, to reach a country.


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class ServiceCode:
    """A code that a phone dials (`*111*163#`) or texts to (`163`) to reach this country."""

    channel: ChannelKind
    code: str = Field(min_length=1)
    network: str = ""
    note: str = ""
    words_before_send: StrictBool = False  # the network has confirmed that a session waits as long as typing takes
    network_initiated: StrictBool = False  # the network shows texts by USSD unasked, and reports on each

    @property
    def given(self) -> bool:
        """Return whether a network has assigned this code; the shipped files mark the others as examples."""
        return self.note != "an example"


def normalize_code(code: str) -> str:
    """Return a code without the signs that providers add or leave out.

    `*111*163#`, `111*163` and `+111*163` are one code.
    """
    return _NON_KEY.sub("", code).strip("*")


# Tables of a file that stand once, and those that stand once for each entry, with their fields of Country.
SINGLE_TABLES = ("law", "retention", "call_back", "voice", "clocks")
FIELD_BY_TABLE: Mapping[str, str] = {
    "emergency": "emergency",
    "code": "codes",
    "place": "places",
    "hotline": "hotlines",
    "service": "services",
}


def normalize_tables(raw: dict[str, Any]) -> list[str]:
    """Turn the tables of the file into the fields of Country, in place.

    Returns the faults that only a file can have. A table of another shape is left out of the fields.
    """
    faults = []
    if (raw.pop("schema", None), raw.pop("version", None)) != ("tokaut-country", 1):
        faults.append('schema: must be "tokaut-country", version 1')
    for table in SINGLE_TABLES:
        if not isinstance(raw.get(table, {}), dict):
            faults.append(f"{table}: must be one table; write [{table}], once.")
            del raw[table]
    for table, field_name in FIELD_BY_TABLE.items():
        entries = raw.pop(table, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            faults.append(f"{table}: must be a list of tables; write [[{table}]] above each.")
            entries = []
        raw[field_name] = entries
    hotlines: dict[str, Any] = {}
    for n, hotline in enumerate(raw["hotlines"], 1):
        name = str(hotline.get("id", n))
        if name in hotlines:
            faults.append(f"hotline.{name}.id: stands twice")
        hotlines[name] = hotline
    raw["hotlines"] = hotlines
    return faults


def describe_fault(fault: Any) -> str:
    """Return a fault that pydantic found, as a line with the key as the file spells it."""
    table_by_field = {name: table for table, name in FIELD_BY_TABLE.items()}
    parts = [table_by_field.get(part, part) if n == 0 else part for n, part in enumerate(fault["loc"])]
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in parts)
    if fault["type"] != "unexpected_keyword_argument":
        return f"{key}: {fault['msg']}"
    known = [table_by_field.get(name, name) for name in _fields_beside(fault["loc"])]
    similar = difflib.get_close_matches(str(parts[-1]), known, n=1)
    return f"{key}: there is no such field." + (f" Did you mean {similar[0]}?" if similar else "")


def _fields_beside(location: Sequence[str | int]) -> list[str]:
    """Return the names that the table at this location can have, its last part left out. Keys and numbers are steps."""
    table: Any = Country
    for part in location[:-1]:
        hint = get_type_hints(table).get(str(part))
        table = next(_dataclasses_within(hint), table)
    return [one.name for one in dataclasses.fields(table)]


def _dataclasses_within(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    for inner in get_args(hint):
        yield from _dataclasses_within(inner)


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class CallBack:
    """The call-back options of this country, as its hotline has agreed.

    `home_key`: the home screen has the choice "Call me". `missed_call_numbers`: numbers in international form; a
    person who rings one gets no answer, and the question of "call me" by SMS.
    """

    home_key: StrictBool = False
    missed_call_numbers: tuple[Annotated[str, Field(pattern=r"^\+[0-9]{6,15}$")], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class Voice:
    """The options of voice calls in this country, as its hotlines and a lawyer have agreed.

    `recordings`: after Send and under My report a caller may speak, and the provider records it. `recording_seconds`:
    the longest one.
    """

    recordings: StrictBool = False
    recording_seconds: int = Field(default=120, ge=MIN_SECONDS, le=MAX_SECONDS, strict=True)


TimeZoneName = Annotated[str, AfterValidator(lambda name: parse_zone(name).key)]
SHIPPED_FOLDER = Path(__file__).parent


class CountryError(OperatorError):
    """Country files have one or more faults, one line each: file, key and fault."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class Place:
    """A place that a reporter can choose."""

    code: str  # ISO 3166-2; if ISO has none, a key of our own that cannot be mistaken for one: CK:atiu
    name: str
    label: str = Field(min_length=1, max_length=14)  # the name on screens
    group: str | None = None
    time_zone: Annotated[str, AfterValidator(lambda name: name and parse_zone(name).key)] = ""  # if not the country's


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class Country:
    """One country as its file describes it, for one mode."""

    iso: str = Field(pattern=r"^[A-Z]{2}$")
    mode: Mode
    name: str
    as_of: IsoDate = Field(min_length=1)
    calling_code: str = Field(pattern=r"^\+[1-9][0-9]{0,6}$")
    time_zone: TimeZoneName
    languages: tuple[str, ...] = Field(min_length=1)
    language_word: str = ""  # "language" in the country's other main language
    language_word_source: str = ""
    place_before_send: Literal["place", "group", "none"] = "place"
    incomplete_to: str = ""
    police_on_danger_now: StrictBool = False
    duty_to_report: StrictBool | None = None
    duty_source: str = ""
    emergency: tuple[PhoneNumber, ...] = ()
    codes: tuple[ServiceCode, ...] = ()
    places: tuple[Place, ...] = ()
    hotlines: Mapping[str, Hotline] = field(default_factory=dict)
    services: tuple[ReferralService, ...] = ()
    law: Law = Law()
    retention: RetentionPeriods = RetentionPeriods()
    call_back: CallBack = CallBack()
    voice: Voice = Voice()
    clocks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # priority → time → minutes

    @property
    def file(self) -> str:
        """Return the name of the file."""
        return f"{self.iso.lower()}.toml"

    @property
    def label(self) -> str:
        """Return the country code and the date of its file, as written in reports: `VU 2026-11-01`."""
        return f"{self.iso} {self.as_of}"

    @property
    def dialled(self) -> tuple[tuple[str, str], ...]:
        """Return (channel, code) of each service code, normalised for lookup."""
        return tuple((code.channel, normalize_code(code.code)) for code in self.codes)

    @property
    def ussd_codes(self) -> tuple[str, ...]:
        """Return the codes to dial. If there are several, each network knows only its own."""
        return tuple(dict.fromkeys(code.code for code in self.codes if code.channel == "ussd"))

    @property
    def may_have_duty_to_report(self) -> bool:
        """Return whether Send says that the hotline may have to tell others; also if not established (S-37)."""
        return self.duty_to_report is not False or not self.duty_source

    def place(self, value: str | None) -> Place | None:
        """Return the place with this code, or the only place of a group; None if there is none."""
        codes = self.place_codes(value)
        return next((place for place in self.places if codes == {place.code}), None)

    def place_codes(self, value: str | None) -> frozenset[str]:
        """Return the codes of a place or of a group of places; empty for any other value."""
        return frozenset([place.code for place in self.places if value in (place.code, place.group)] if value else ())

    def safe_hours(self, place: str | None, begin: str, end: str) -> Mapping[str, str]:
        """Return the hours that a reporter chose, HH:MM, on the clock of the place.

        `place`: code of the place, or its group. If it is None, or typed words, the reporter may be anywhere in the
        country.
        """
        return safe_hours(self._time_zones(place), self.time_zone, self._year, begin, end)

    @property
    def has_one_clock(self) -> bool:
        """Return whether all places of the country are in its time zone."""
        return self._time_zones(None) == {self.time_zone}

    def _time_zones(self, place: str | None) -> frozenset[str]:
        codes = self.place_codes(place)
        zones = frozenset(one.time_zone or self.time_zone for one in self.places if not codes or one.code in codes)
        return zones if codes else zones | {self.time_zone}

    @property
    def _year(self) -> int:
        return date.fromisoformat(self.as_of).year

    def groups(self) -> tuple[str, ...]:
        """Return the groups of places, in the order of the file."""
        return tuple(dict.fromkeys(place.group for place in self.places if place.group))

    def helpline(self) -> Hotline | None:
        """Return the first child helpline with a number that this mode may show; None if there is none."""
        return next(
            (hotline for hotline in self.hotlines.values() if hotline.kind == "child_helpline" and self.shows(hotline)),
            None,
        )

    def shows(self, hotline: Hotline) -> bool:
        """Return whether screens may show the number of this hotline."""
        return hotline.phone is not None and hotline.phone.may_show(self.mode)

    def hotlines_for_category(self, category: str) -> tuple[Hotline, ...]:
        """Return the hotlines of the kinds for a category, in the order in which they are tried."""
        return tuple(
            hotline
            for kind in KINDS_BY_CATEGORY[category]
            for hotline in self.hotlines.values()
            if hotline.kind == kind
        )

    def referral_choices(self, own_hotline: str, place: str | None) -> tuple[ReferralChoice, ...]:
        """Return the services and the other hotlines to which staff may refer a child, those of the place first.

        `place`: code of the report's place, or its group; None if it is not known. A hotline's number is shown only if
        it is confirmed.
        """
        codes = self.place_codes(place)
        hotlines = (
            ReferralChoice(
                hotline.id,
                hotline.name,
                hotline.kind,
                hotline.show.phone if hotline.verified() and not hotline.conflict else "",
                hotline.show.hours,
                hotline.verified_by,
                hotline.verified_on,
                hotline.covers_place(codes),
            )
            for hotline in self.hotlines.values()
            if hotline.id != own_hotline and not hotline.withdrawn
        )
        return sorted_choices((*service_choices(self.services, self.mode, codes), *hotlines))

    def phone_services(self, place: str | None) -> tuple[ReferralService, ...]:
        """Return the services that a phone may show for a place or a group of places; None: for all places."""
        codes = self.place_codes(place)
        return tuple(service for service in self.services if service.is_on_phones(self.mode) and service.serves(codes))

    def fields(self, translate: Callable[[str], str] = str) -> dict[str, str]:
        """Return the values of the flows' placeholders for this country; `translate`: translates a text."""
        return placeholder_values(
            numbers=self.emergency,
            mode=self.mode,
            helpline=self.helpline(),
            hotlines=self.hotlines.values(),
            fallback=self.hotlines.get(self.incomplete_to),
            ussd_codes=self.ussd_codes,
            language=self.language_word,
            translate=translate,
        ) | law_placeholders(self.law, translate)

    def problems(self, mode: Mode) -> list[str]:
        """Return why this country cannot run in this mode: sentences that each begin with the file."""
        faults = structure_problems(
            emergency=self.emergency,
            hotlines=self.hotlines,
            incomplete_to=self.incomplete_to,
            places=[place.code for place in self.places],
            duty_without_source=self.duty_to_report is not None and not self.duty_source,
        )
        faults += place_problems(self.places, by_group=self.place_before_send == "group")
        faults += code_problems(self.codes)
        faults += service_problems(self.services, [place.code for place in self.places], self.hotlines)
        faults += self.law.problems()
        if self.call_back.missed_call_numbers and not any(code.channel == "sms" for code in self.codes):
            faults.append("call_back.missed_call_numbers: no [[code]] is of the channel sms; add the one that answers.")
        if self.voice.recordings and not any(code.channel == "voice" for code in self.codes):
            faults.append("voice.recordings: no [[code]] is of the channel voice; add the number that is called.")
        faults += [
            f"code.{number}.network_initiated: {code.code} is of the channel {code.channel}; "
            "only a code of the channel ussd can have it."
            for number, code in enumerate(self.codes, 1)
            if code.network_initiated and code.channel != "ussd"
        ]
        if spread(self._time_zones(None), self.time_zone, self._year) > timedelta(hours=MAX_SPREAD_HOURS):
            faults.append(
                f"place: time_zone: two differ by more than {MAX_SPREAD_HOURS} hours; write two country files."
            )
        faults += self.retention.problems()
        faults += escalation_problems(self.hotlines, self.clocks)
        if mode == Mode.LIVE:
            faults += live_problems(emergency=self.emergency, hotlines=self.hotlines, incomplete_to=self.incomplete_to)
        return [f"{self.file}: {fault}" for fault in faults]

    def overdue(self, today: date) -> list[str]:
        """Return the entries to confirm again or to add. `tokaut check` fails for them; a start does not."""
        faults = [fault for number in self.emergency for fault in number.overdue(today)]
        faults += [fault for hotline in self.hotlines.values() for fault in hotline.overdue(today)]
        faults += overdue_services(self.services, today)
        return [f"{self.file}: {fault}" for fault in (*withdrawn_emergency_problems(self.emergency), *faults)]


@dataclass(frozen=True, slots=True)
class Countries:
    """The countries that are switched on, in the operator's order."""

    all: tuple[Country, ...]
    _dialled: dict[tuple[str, str], Country] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        countries_by_code = {key: country for country in reversed(self.all) for key in country.dialled}
        object.__setattr__(self, "_dialled", countries_by_code)  # it is looked up for each request

    def __iter__(self) -> Iterator[Country]:
        return iter(self.all)

    @property
    def hotlines(self) -> tuple[Hotline, ...]:
        """Return the hotlines of all countries."""
        return tuple(hotline for country in self.all for hotline in country.hotlines.values())

    @property
    def names(self) -> Mapping[str, str]:
        """Return the names of the hotlines on screens, by id."""
        return {hotline.id: hotline.screen_name for hotline in self.hotlines}

    def country_of_hotline(self, hotline: str) -> Country | None:
        """Return the country whose file has this hotline, or None."""
        return next((country for country in self.all if hotline in country.hotlines), None)

    def get(self, iso: str) -> Country | None:
        """Return the country of this ISO code, or None."""
        return next((country for country in self.all if country.iso == iso.upper()), None)

    def by_service_code(self, channel: ChannelKind, dialled: str | None, caller: str = "") -> Country:
        """Return the country whose code was dialled.

        If the code is unknown or absent, it is the country of the caller's number, written with `+`; else the first.
        """
        return self.by_known_code(channel, dialled) or self._by_number(caller) or self.all[0]

    def by_known_code(self, channel: ChannelKind, dialled: str | None) -> Country | None:
        """Return the country whose code was dialled, or None."""
        code = normalize_code(dialled or "")
        return self._dialled.get((channel, code)) if code else None

    def _by_number(self, number: str) -> Country | None:
        called = [country for country in self.all if number.startswith(country.calling_code)]
        return max(called, key=lambda country: len(country.calling_code), default=None)

    def by_missed_call(self, number: str) -> Country | None:
        """Return the country with this number for missed calls, or None."""
        digits = normalize_code(number)
        if not digits:
            return None
        return next(
            (country for country in self.all if digits in map(normalize_code, country.call_back.missed_call_numbers)),
            None,
        )

    def problems(self, mode: Mode) -> list[str]:
        """Return why the countries cannot run in this mode; also each code, number and hotline that two share."""
        faults = [fault for country in self.all for fault in country.problems(mode)]
        first_files: dict[str, str] = {}
        for country in self.all:
            codes = [f"code {code} ({channel})" for channel, code in country.dialled]
            numbers = [f"missed-call number {number}" for number in country.call_back.missed_call_numbers]
            for entry in (*codes, *numbers, *(f"hotline {name}" for name in country.hotlines)):
                first_file = first_files.setdefault(entry, country.file)
                if first_file != country.file:
                    faults.append(f"{country.file}: {entry} stands in {first_file} too; keep one of them.")
        return faults


def load_country(iso: str, text: str, mode: Mode) -> Country:
    """Return a country from the text of its file. Raises CountryError with every fault of the text."""
    file = f"{iso.lower()}.toml"
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CountryError([f"{file}: {error}"]) from error
    faults = normalize_tables(raw)
    raw["mode"] = mode
    try:
        country = TypeAdapter(Country).validate_python(raw)
    except ValidationError as error:
        raise CountryError(
            f"{file}: {line}" for line in faults + [describe_fault(fault) for fault in error.errors()]
        ) from error
    if country.iso.lower() != iso.lower():
        faults.append(f"iso: {country.iso} does not belong in {file}")
    if faults:
        raise CountryError(f"{file}: {line}" for line in faults)
    return country


def load_countries(
    names: Collection[str], mode: Mode, folder: Path | None = None, *, as_written: bool = False
) -> Countries:
    """Load the named countries; a file in `folder` replaces the shipped one.

    Raises CountryError with all faults of all files. Outside live mode no address of the live service is in the
    countries, unless `as_written`, for code that only inspects the files.
    """
    countries: list[Country] = []
    faults: list[str] = []
    for name in names:
        own = folder / f"{name.lower()}.toml" if folder else None
        prefix = f"{folder}/" if own and own.is_file() else ""  # the name alone is also that of a shipped file
        try:
            text = country_text(name, folder)
        except CountryError as error:
            faults += error.lines
            continue
        try:
            countries.append(load_country(name, text, mode))
        except CountryError as error:
            faults += [f"{prefix}{line}" for line in error.lines]
    if not names:
        faults.append("COUNTRIES: names no country; name one, for example vu")
    faults += validation.separation_faults(countries)
    if faults:
        raise CountryError(faults)
    if as_written:
        return Countries(tuple(countries))
    return Countries(tuple(for_mode(country) for country in countries))


def for_mode(country: Country) -> Country:
    """Return the country with the hotlines as its mode may use them."""
    return replace(country, hotlines=validation.hotlines_for_mode(country.hotlines, country.mode))


def shipped_countries() -> list[str]:
    """Return the names of the countries whose files are shipped."""
    return sorted(path.stem for path in SHIPPED_FOLDER.glob("*.toml"))


def country_text(name: str, folder: Path | None) -> str:
    """Return the text of a country file: the one in `folder`, or the shipped one if none is there.

    Raises CountryError, also if the file in `folder` cannot be read.
    """
    file = f"{name.lower()}.toml"
    for directory in (folder, SHIPPED_FOLDER):
        if directory is None or not name.isalpha():
            continue
        path = directory / file
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            cause = f"it is not UTF-8 (byte {error.start + 1}); save it as UTF-8"
            raise CountryError([f"{path} cannot be read: {cause}"]) from None
        except OSError as error:
            if path.is_symlink() or not isinstance(error, FileNotFoundError):
                raise CountryError([f"{path} cannot be read: {error.strerror}"]) from None
    raise CountryError([f"COUNTRIES: there is no country file {file}; shipped are {', '.join(shipped_countries())}"])


# How long each country keeps its data. Pure.


def retention_policy(countries: Iterable[Country]) -> RetentionPolicy:
    """Return the policy of the countries that are switched on. For any other country the rules apply unchanged."""
    enabled = tuple(countries)
    local_copies = {
        hotline.id: hotline.card.retention_days or LOCAL_COPY.days
        for country in enabled
        for hotline in country.hotlines.values()
        if hotline.delivery in LOCAL_KINDS
    }
    hotlines = {name for country in enabled for name in country.hotlines}
    return RetentionPolicy(
        {country.iso: country.retention for country in enabled}, local_copies, frozenset(hotlines - local_copies.keys())
    )
