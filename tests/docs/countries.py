"""The table of countries, for people who decide where to begin."""

from __future__ import annotations

from reports.country import SHIPPED, Country, load_all

UNSETTLED = "its sources disagree about the first number; "


def table() -> str:
    rows = [
        "| file | country | first number | for children | other hotlines | law: specific / defined / by computer / "
        "possession / providers | languages | places | not yet live, because |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    shipped = load_all(sorted(path.stem for path in SHIPPED.glob("*.toml")), "demo")
    return "\n".join([*rows, *(_row(country) for country in shipped)]) + "\n"


def _row(of: Country) -> str:
    helpline = of.helpline()
    others = [
        h.screen_name + (f" {h.show.phone}" if of.shows(h) else "") for h in of.hotlines.values() if h != helpline
    ]
    first = of.emergency[0]
    cells = (
        f"`{of.file.partition('.')[0]}`",
        of.name,
        f"{first.say()}, {first.grade}" + (", in dispute" if first.conflict else ""),
        f"{helpline.screen_name} {helpline.show.phone}" if helpline and helpline.phone else "none found",
        ", ".join(others) or "none found",
        _law(of),
        ", ".join(of.languages),
        f"{len(of.places)}" + (f" in {len(of.groups())} groups" if of.groups() else ""),
        _left(of),
    )
    return "| " + " | ".join(cells) + " |"


def _law(of: Country) -> str:
    latest = of.law.latest
    if latest is None:
        return "?"
    found = (latest.specific, latest.defined, latest.computer, latest.possession, latest.isp)
    return " / ".join("?" if one is None else "yes" if one else "no" for one in found)


def _left(of: Country) -> str:
    numbers = sum(not n.verified() for n in (*of.emergency, *(h for h in of.hotlines.values() if h.phone)))
    cards = sum(bool(h.card.missing()) for h in of.hotlines.values())
    who = "" if of.incomplete_to else "; nobody is named for what was cut off"
    dispute = UNSETTLED if of.emergency[0].conflict else ""
    return f"{dispute}{_some(numbers, 'number')} nobody has dialled; {_some(cards, 'partner card')}{who}"


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
