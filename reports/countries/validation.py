"""Find the faults of a country file, fill its placeholders, and keep training and live addresses apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from reports import escalation
from reports.countries import opening_hours
from reports.countries.hotline import (
    CONFIRM_HINT,
    KINDS_BY_CATEGORY,
    MAX_SCREEN_NAME_SEPTETS,
    SCREEN_NAME_PATTERN,
    Hotline,
    PartnerCard,
    PhoneNumber,
    digits_of,
    is_dialable,
)
from reports.facts import AGE_BANDS
from runtime.settings import Mode

if TYPE_CHECKING:
    from reports.countries.country import Country, Place, ServiceCode  # imports this module

# Services to call in danger. If the first such number is withdrawn, the next one replaces it; an ambulance never does.
DANGER_SERVICES = ("police", "emergency")
EMERGENCY_WORDS = (*DANGER_SERVICES, "ambulance", "fire")
# Longest number for SMS with its name: a longer one would push a choice of the danger screen to page 2.
MAX_SMS_CONTACT_SEPTETS = 18
# The words beside numbers and names; the catalogues translate them.
TRANSLATED_WORDS = (*EMERGENCY_WORDS, "helpline", "free", "day and night", "Language")
DRILL_WORDS = frozenset({"drill", "drills", "training"})
DRILL_NAME_HINT = "the word drill or training in its name"
NOT_DIALABLE = "is not a number that a phone can dial; write 2 to 15 digits, with single blanks between them."
OWN_ADDRESS_HINT = "give drills an address of their own."
DRILL_ADDRESS_HINT = f"give one with {DRILL_NAME_HINT}."
MOVE_ADDRESS_HINT = "put it into drills_to, and here one of the live service."
_WORD_SEPARATOR = re.compile(r"[^a-z0-9]+")
_USSD_CODE = re.compile(r"[*#][0-9*#]*[0-9]#")
_DIALABLE_CODE = re.compile(r"\+?[0-9](?:[ -]?[0-9])*")
CHILD_AGES = tuple(band for band in AGE_BANDS if band != "18+")  # each needs a hotline


# The words that a country puts into the placeholders of flows. A number always comes with its service (S-32).


def placeholder_values(
    *,
    numbers: Sequence[PhoneNumber],
    mode: Mode,
    helpline: Hotline | None,
    hotlines: Iterable[Hotline],
    fallback: Hotline | None,
    ussd_codes: Sequence[str],
    language: str,
    translate: Callable[[str], str] = str,
) -> dict[str, str]:
    """Return the values of the placeholders by name, without braces.

    `helpline`: one whose number this mode may show; without one, its placeholders get the emergency number, never an
    invented number. `fallback`: the hotline that gets INCOMPLETE reports. If no emergency number may be shown, its
    service is named alone: "police". `ussd_codes`: a screen shows the only one, because a phone may be of any network.
    `translate`: translates a text.
    """
    danger_number = next(
        (number for number in numbers if number.word in DANGER_SERVICES and number.may_show(mode)), None
    )
    service = next((number.word for number in numbers if number.word in DANGER_SERVICES), "")
    emergency = (
        f"{translate(danger_number.word)} {danger_number.number}" if danger_number else service and translate(service)
    )
    return {
        "emergency": emergency,
        "emergency_number": danger_number.number if danger_number else "",
        **_sms_values(numbers, mode, helpline, hotlines, translate),
        "ussd": ussd_codes[0] if len(ussd_codes) == 1 else "",
        "language_word": _both(translate("Language"), language),
        "incomplete_name": fallback.screen_name if fallback else "",
        **_helpline_values(helpline, emergency, translate),
    }


def _sms_values(
    numbers: Sequence[PhoneNumber],
    mode: Mode,
    helpline: Hotline | None,
    hotlines: Iterable[Hotline],
    translate: Callable[[str], str],
) -> dict[str, str]:
    """Return the placeholders with the number to text if calling is impossible.

    That is an emergency number, else the child helpline, else a hotline for families.
    """
    textable = (
        number for number in numbers if number.word in DANGER_SERVICES and number.takes_sms and number.may_show(mode)
    )
    if danger_number := next(textable, None):
        return {"emergency_sms": f"{translate(danger_number.word)} {danger_number.number}", "helpline_sms": ""}
    if helpline and (number := helpline.texts(mode)):
        return {"emergency_sms": f"{translate('helpline')} {number}", "helpline_sms": number}
    family_hotlines = (entry for entry in hotlines if entry.kind == "women_family" and entry.may_show(mode))
    contacts = (f"{entry.screen_name} {number}" for entry in family_hotlines if (number := entry.texts(mode)))
    return {
        "emergency_sms": next((entry for entry in contacts if len(entry) <= MAX_SMS_CONTACT_SEPTETS), ""),
        "helpline_sms": "",
    }


def _both(word: str, own_language_word: str) -> str:
    """Return the word in the language shown and in the country's other one, for people who read only one of them."""
    return " / ".join(
        dict.fromkeys(filter(None, (word, own_language_word if word != own_language_word else "Language")))
    )


def _helpline_values(helpline: Hotline | None, emergency: str, translate: Callable[[str], str]) -> dict[str, str]:
    if helpline is None or helpline.phone is None:
        names = ("helpline", "helpline_named", "helpline_free", "helpline_line", "now")
        return {**dict.fromkeys(names, emergency), "helpline_name": "", "helpline_number": ""}
    number = helpline.phone.number
    name_and_number = f"{helpline.screen_name} {number}"
    with_free_mark = f"{name_and_number}, {translate('free')}" if helpline.toll_free else name_and_number
    return {
        "helpline": f"{translate('helpline')} {number}",
        "helpline_name": helpline.screen_name,
        "helpline_number": number,
        "helpline_named": name_and_number,
        "helpline_free": with_free_mark,
        "helpline_line": f"{with_free_mark}, {translate('day and night')}"
        if helpline.is_always_open
        else with_free_mark,
        "now": f"{translate('helpline')} {number}" if helpline.is_always_open else emergency,
    }


def structure_problems(
    *,
    emergency: Sequence[PhoneNumber],
    hotlines: Mapping[str, Hotline],
    incomplete_to: str,
    places: Sequence[str],
    duty_without_source: bool,
) -> list[str]:
    """Return the faults that no mode accepts."""
    problems = []
    if not emergency:
        problems.append("emergency: there is no emergency number; the first screen needs one.")
    elif not any(number.word in DANGER_SERVICES for number in emergency):
        problems.append("emergency: no word is police or emergency; the first screen needs one of these numbers.")
    problems += [
        f"emergency.{place}.word: {number.word!r} is not one of {', '.join(EMERGENCY_WORDS)}; use one of these."
        for place, number in enumerate(emergency, 1)
        if number.word not in EMERGENCY_WORDS
    ]
    problems += [
        f"emergency.{place}.number: {number.number!r} {NOT_DIALABLE}"
        for place, number in enumerate(emergency, 1)
        if not is_dialable(number.number)
    ]
    for hotline in hotlines.values():
        problems += _hotline_problems(hotline, hotlines, places)
    problems += [
        f"hotline {name}: screen_name: another hotline has the same; no reporter could tell them apart."
        for name in _repeats({hotline.id: hotline.screen_name for hotline in hotlines.values()})
    ]
    if incomplete_to and incomplete_to not in hotlines:
        problems.append(f"incomplete_to: there is no hotline {incomplete_to}; name one of this file.")
    if duty_without_source:
        problems.append("duty_source: it is missing; name the law, or take duty_to_report out: not established.")
    return problems + list(_uncovered(hotlines, places))


def _repeats(values: Mapping[str, Hashable]) -> Iterator[str]:
    """Yield the keys whose value an earlier key has."""
    seen: set[Hashable] = set()
    for key, value in values.items():
        if value in seen:
            yield key
        seen.add(value)


def _hotline_problems(hotline: Hotline, hotlines: Mapping[str, Hotline], places: Collection[str]) -> Iterator[str]:
    length = len(hotline.screen_name)
    if not 0 < length <= MAX_SCREEN_NAME_SEPTETS:
        yield (
            f"hotline {hotline.id}: screen_name has {length} characters; give it 1 to {MAX_SCREEN_NAME_SEPTETS}, or it "
            "breaks the screens."
        )
    if not re.fullmatch(SCREEN_NAME_PATTERN, hotline.screen_name):
        yield f"hotline {hotline.id}: screen_name has a letter that not every phone has; use A to Z and digits."
    for number in hotline.show.numbers:
        if not is_dialable(number):
            yield f"hotline {hotline.id}: show: {number!r} {NOT_DIALABLE}"
    for key, codes in (("card.places", hotline.card.places), ("show.by_place", hotline.show.by_place)):
        if unknown := [code for code in codes if code not in places and (key, code) != ("card.places", "all")]:
            yield f"hotline {hotline.id}: {key}: there is no place {', '.join(unknown)}; use codes of this file."
    for key in ("backup", "fallback", "regional"):
        named_hotline = getattr(hotline.card, key)
        if named_hotline and named_hotline not in hotlines:
            yield f"hotline {hotline.id}: card.{key}: there is no hotline {named_hotline}; name one of this file."
        if named_hotline == hotline.id:
            yield f"hotline {hotline.id}: card.{key}: it names itself; name another hotline of this file."
    yield from (f"hotline {hotline.id}: card.{fault}" for fault in hotline.card.problems())


def escalation_problems(hotlines: Mapping[str, Hotline], own_times: escalation.CountryTimes) -> Iterator[str]:
    """Yield the opening hours, rotas and times that cannot be read or are not allowed, in any mode."""
    for hotline in hotlines.values():
        yield from (f"hotline {hotline.id}: card.{fault}" for fault in opening_hours.card_faults(hotline.card))
    yield from (f"clocks.{fault}" for fault in escalation.escalation_faults(own_times))


def _uncovered(hotlines: Mapping[str, Hotline], places: Sequence[str]) -> Iterator[str]:
    """Yield the categories, ages and places that no hotline takes; each needs one, but adults do not."""
    for category, kinds in KINDS_BY_CATEGORY.items():
        hotlines_for_category = [
            hotline for hotline in hotlines.values() if hotline.kind in kinds and hotline.covers_category(category)
        ]
        bands_by_gap: dict[tuple[str, ...], list[str]] = {}
        for band in CHILD_AGES:
            hotlines_for_age = [hotline for hotline in hotlines_for_category if hotline.covers_age(band)]
            gap = [code for code in places or [""] if not any(h.covers_place(_codes(code)) for h in hotlines_for_age)]
            bands_by_gap.setdefault(tuple(gap), []).append(band)
        for uncovered, bands in bands_by_gap.items():
            if uncovered:
                ages = "" if len(bands) == len(CHILD_AGES) else f" at ages {', '.join(bands)}"
                where = "" if len(uncovered) == len(places or [""]) else f" in {', '.join(uncovered)}"
                lacking = "the ages" if ages else "the places" if where else "the category"
                one = "" if ages or where else "add one, or "
                yield f"no hotline takes {category}{ages}{where}; {one}add {lacking} to a partner card."


def _codes(code: str) -> frozenset[str]:
    return frozenset([code] if code else [])


def place_problems(places: Sequence[Place], *, by_group: bool) -> Iterator[str]:
    """Yield the places that no reporter could choose, or tell from another one."""
    for n, place in enumerate(places, 1):
        if by_group and not place.group and any(other.group for other in places):
            yield f"place.{n}.group: it is missing; places are chosen by group, and nobody could choose {place.code}."
    codes = {f"place.{n}.code: {place.code}": place.code for n, place in enumerate(places, 1)}
    labels = {f"place.{n}.label: {place.label}": (place.group, place.label) for n, place in enumerate(places, 1)}
    for entry in (*_repeats(codes), *_repeats(labels)):
        yield f"{entry} stands twice; give each place one of its own."


def code_problems(codes: Sequence[ServiceCode]) -> Iterator[str]:
    """Yield the codes that no phone can dial, or text or call."""
    for n, code in enumerate(codes, 1):
        pattern, example = (_USSD_CODE, "*111*163#") if code.channel == "ussd" else (_DIALABLE_CODE, "163")
        if not pattern.fullmatch(code.code):
            yield f"code.{n}.code: {code.code!r} is no code of the channel {code.channel}; write it as {example}."


def withdrawn_emergency_problems(emergency: Sequence[PhoneNumber]) -> Iterator[str]:
    """Yield a problem if no number for danger is left.

    It does not prevent the start: a wrong number was withdrawn, and reporters must still be served.
    """
    if emergency and all(number.withdrawn for number in emergency if number.word in DANGER_SERVICES):
        yield "emergency: no number for police or emergency is left; the first screen needs one."


def live_problems(
    *, emergency: Sequence[PhoneNumber], hotlines: Mapping[str, Hotline], incomplete_to: str
) -> list[str]:
    """Return the faults that live mode refuses, beside those of `structure_problems`."""
    problems = [
        f"emergency {number.number} ({number.service}) {fault}; {CONFIRM_HINT}"
        for number in emergency
        if not number.withdrawn and (fault := number.live_mode_fault())
    ]
    for hotline in hotlines.values():
        problems += hotline.live_problems()
    if not incomplete_to:
        problems.append("incomplete_to: it is missing; name the hotline that gets reports which were cut off.")
    if not any(hotline.kind == "police" and hotline.covers_category("missing") for hotline in hotlines.values()):
        problems.append("no police takes missing; a missing child always goes to police too: add one to the file.")
    return problems


# Keep training and live apart (S-40): the addresses of drills, and those of the live service. Pure.
#
# No address is both. A drill's address says so in itself, where only its owner can put the word: in the name of a
# host, which needs a certificate, and in the name of a mailbox. A phone number cannot hold a word; it is a drill's if
# it is in `drills_to` of a partner card, where no number of the live service may be. Outside live mode a card holds
# drill addresses only.


def is_drill_name(name: str) -> bool:
    """Return whether a host or a mailbox is named as one of drills.

    `desk+drill@…` is the mailbox of `desk@…`: the part after + proves nothing.
    """
    local, at, host = name.lower().rpartition("@")
    return not DRILL_WORDS.isdisjoint(_WORD_SEPARATOR.split(f"{local.partition('+')[0]}{at}{host}"))


def hotlines_for_mode(hotlines: Mapping[str, Hotline], mode: Mode) -> Mapping[str, Hotline]:
    """Return the hotlines with the contacts that this mode may know. Outside live mode those are `drills_to` alone."""
    return {name: replace(hotline, card=_card_of(hotline.card, mode)) for name, hotline in hotlines.items()}


def _card_of(card: PartnerCard, mode: Mode) -> PartnerCard:
    if mode == Mode.LIVE:
        return replace(card, drills_to=())
    return replace(card, duty_officer=card.drills_to, supervisor=card.drills_to, rota={})


def separation_faults(lands: Sequence[Country]) -> Iterator[str]:
    """Yield the contacts by which a drill would reach the live service or the reverse.

    Each is a sentence that begins with the file.
    """
    live_contacts = dict(_live_contacts(lands))
    for country in lands:
        for hotline in country.hotlines.values():
            prefix = f"{country.file}: hotline {hotline.id}"
            for contact in hotline.card.drills_to:
                if live_use := next(
                    (live_contacts[name] for name in _forms(contact, country.calling_code) if name in live_contacts), ""
                ):
                    yield f"{prefix}: card.drills_to: {contact} is {live_use}; {OWN_ADDRESS_HINT}"
                elif "@" in contact and not is_drill_name(contact):
                    yield f"{prefix}: card.drills_to: {contact} is not a mailbox for drills; {DRILL_ADDRESS_HINT}"
            for contact in (*hotline.card.duty_officer, *hotline.card.supervisor):
                if "@" in contact and is_drill_name(contact):
                    yield f"{prefix}: card: {contact} is for drills by its name; {MOVE_ADDRESS_HINT}"


def _live_contacts(countries: Iterable[Country]) -> Iterator[tuple[str, str]]:
    """Yield each address and number by which the live service may be reached, and where it is used."""
    for country in countries:
        for number in country.emergency:
            yield digits_of(number.number), "a number that screens show"
        for hotline in country.hotlines.values():
            for contact in hotline.show.numbers:
                yield digits_of(contact), "a number that screens show"
            for role in ("supervisor", "duty_officer"):
                for contact in getattr(hotline.card, role):
                    yield contact.lower() if "@" in contact else digits_of(contact), f"{role} of {hotline.id} too"


def _forms(contact: str, calling_code: str) -> Iterator[str]:
    """Yield the forms of a contact: a mailbox; or a number with its country's code, and as it is dialled there."""
    if "@" in contact:
        yield contact.lower()
        return
    digits, code = digits_of(contact), digits_of(calling_code)
    yield digits
    if digits.startswith(code):
        yield from (digits.removeprefix(code), "0" + digits.removeprefix(code))
