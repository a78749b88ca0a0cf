"""Choose the hotlines that get a report, in order, and say why the others do not. Pure; it ignores the time of day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.delivery import RecipientRole
from reports.facts import Completeness, Facts
from runtime.settings import Mode

# Every hotline that can get a report is named before Send, on one screen (S-11). Three names fit, and no other hotline
# ever gets it.
MAX_RECIPIENTS = 3
# The Send screen itself has room for two names: the hotlines that get the report at once (S-11).
MAX_IMMEDIATE_RECIPIENTS = 2


class Recipient(Struct, frozen=True, array_like=True):
    """A hotline that gets a report, its role, and a code for the reason (`why`)."""

    hotline: str
    role: RecipientRole
    why: str


class Route(Struct, frozen=True):
    """The hotlines of a report.

    `recipients`: primary, also, then fallbacks, in order. `passed_over`: (hotline, reason) for hotlines that do
    not get it. `avoid`: hotlines that the reporter left out.
    """

    recipients: tuple[Recipient, ...]
    passed_over: tuple[tuple[str, str], ...] = ()
    avoid: tuple[str, ...] = ()

    @property
    def at_once(self) -> tuple[Recipient, ...]:
        """Return the recipients that get the report on Send.

        A fallback gets it when the recipient before it gives no receipt.
        """
        return tuple(recipient for recipient in self.recipients if recipient.role != RecipientRole.FALLBACK)


def avoided_hotlines(country: Country, facts: Facts) -> tuple[str, ...]:
    """Return the hotlines that the reporter left out.

    If no hotline was left and the reporter chose the child helpline "after all", the helpline is not one of them.
    """
    helpline = incomplete_hotline(country) if facts.after_all else None
    return tuple(name for name in country.hotlines if name in facts.avoid and name != helpline)


def incomplete_hotline(country: Country) -> str | None:
    """Return the one hotline that gets incomplete reports, or None: no screen would say that another one gets them."""
    return country.incomplete_to or None


def find_route(
    country: Country,
    facts: Facts,
    *,
    live: Collection[str],
    avoid: Collection[str],
    completeness: Completeness = Completeness.COMPLETE,
) -> Route:
    """Find the recipients of a report.

    `live`: ids of the hotlines whose delivery is set up. A route without recipients means that no hotline can get the
    report, and a person must be alerted.
    """
    avoided = tuple(name for name in country.hotlines if name in avoid)
    if completeness == Completeness.INCOMPLETE:
        return _incomplete(country, live, avoided)
    candidates, places = country.hotlines_for_category(facts.category or "other"), country.place_codes(facts.place)
    reasons = {
        hotline.id: _passed_over(hotline, facts, places, avoided) if _is_live(hotline, country, live) else "NOT_LIVE"
        for hotline in candidates
    }
    eligible = [hotline for hotline in candidates if not reasons[hotline.id]]
    passed_over = tuple((name, reason) for name, reason in reasons.items() if reason)
    return Route(tuple(_recipients(eligible, country, facts))[:MAX_RECIPIENTS], passed_over, avoided)


def _incomplete(country: Country, live: Collection[str], avoided: Sequence[str]) -> Route:
    name = incomplete_hotline(country)
    hotline = country.hotlines.get(name or "")
    if hotline is None:
        return Route((), (), tuple(avoided))
    reason = "AVOIDED" if hotline.id in avoided else "" if _is_live(hotline, country, live) else "NOT_LIVE"
    if reason:
        return Route((), ((hotline.id, reason),), tuple(avoided))
    return Route((Recipient(hotline.id, RecipientRole.PRIMARY, "INCOMPLETE_ONLY"),), (), tuple(avoided))


def _is_live(hotline: Hotline, country: Country, live: Collection[str]) -> bool:
    return hotline.id in live and (country.mode != Mode.LIVE or hotline.agreed())


def _passed_over(hotline: Hotline, facts: Facts, places: frozenset[str], avoided: Sequence[str]) -> str:
    """Return why this hotline does not get the report; empty if it can. `places`: codes of the place named."""
    if not hotline.covers_category(facts.category or "other"):
        return "CATEGORY"
    if not hotline.covers_place(places):
        return "PLACE"
    if not hotline.covers_age(facts.age_band):
        return "AGE"
    return "AVOIDED" if hotline.id in avoided else ""


def _recipients(eligible: Sequence[Hotline], country: Country, facts: Facts) -> Iterator[Recipient]:
    if not eligible:
        return
    yield Recipient(eligible[0].id, RecipientRole.PRIMARY, "CATEGORY_FIRST")
    chosen = {eligible[0].id}
    for kind, reason in _also(country, facts):
        informed = next((candidate for candidate in eligible if candidate.kind == kind), None)
        if informed and informed.id not in chosen:
            if len(chosen) < MAX_IMMEDIATE_RECIPIENTS:
                yield Recipient(informed.id, RecipientRole.ALSO, reason)
            else:
                yield Recipient(informed.id, RecipientRole.FALLBACK, "NO_RECEIPT")
            chosen.add(informed.id)
    for hotline in eligible:
        if hotline.id not in chosen:
            yield Recipient(hotline.id, RecipientRole.FALLBACK, "NO_RECEIPT")


def _also(country: Country, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield the kinds of hotline that get the report at once beside the primary, each with a reason code.

    Only the first eligible hotline of a kind does; the others become fallbacks.
    """
    if facts.category == "missing":
        yield "police", "ALSO_POLICE_MISSING"
    if facts.danger == "now" and country.police_on_danger_now:
        yield "police", "ALSO_DANGER"
    if facts.category in ("luring", "bullying"):
        yield "internet_hotline", "ALSO_ONLINE"
    if facts.category == "images" and facts.about in ("me", "my_child", "child_i_know"):
        yield "child_helpline", "ALSO_CHILD"
