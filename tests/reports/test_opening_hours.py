"""Opening hours of a country file: as agreed, or always open; and the duty officers who are notified first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports.countries import opening_hours, validation
from reports.countries.hotline import PartnerCard
from reports.countries.opening_hours import OpeningHoursError
from tests.reports.sample import VU
from tests.reports.test_hours import at

DAY, NIGHT, LEAD = "day@example.org", "+6785550101", "+6785550102"
ROTA = {"mon-fri 08:00-17:00": (DAY,), "daily 17:00-08:00": (NIGHT, "+6785550199")}
OFFICERS = (LEAD, NIGHT, DAY)
NOON, MIDNIGHT = at("2026-11-27T12:00", "Pacific/Efate"), at("2026-11-27T00:00", "Pacific/Efate")


@pytest.mark.parametrize(
    ("card", "open_at_noon", "open_at_midnight"),
    [
        (PartnerCard(), True, True),
        (PartnerCard(hours="24h"), True, True),
        (PartnerCard(hours="mon-fri 08:00-16:30"), True, False),
        (PartnerCard(hours="mon-fri 08:00-16:30", holidays="11-27"), False, False),
        (PartnerCard(hours="agreed"), True, True),
        (PartnerCard(hours="mon-fri 08:00-16:30", time_zone="agreed"), True, False),
        (PartnerCard(hours="mon-fri 08:00-16:30", time_zone="Africa/Nairobi"), False, True),  # 04:00 and 16:00 there
    ],
)
def test_when_somebody_reads(card: PartnerCard, open_at_noon: bool, open_at_midnight: bool) -> None:
    desk = opening_hours.hotline_hours(card, "Pacific/Efate")
    assert (desk.is_open(NOON), desk.is_open(MIDNIGHT)) == (open_at_noon, open_at_midnight)


def test_a_country_without_a_zone_is_a_fault() -> None:
    with pytest.raises(OpeningHoursError):
        opening_hours.hotline_hours(PartnerCard(), "Efate")


@pytest.mark.parametrize(
    ("moment", "who"),
    [(NOON, (DAY, LEAD, NIGHT)), (MIDNIGHT, (NIGHT, LEAD, DAY))],
)
def test_who_is_told_first_and_then_the_rest(moment: int, who: tuple[str, ...]) -> None:
    """Only phones of duty officers in the partner card: web accepts an OK from no others."""
    card = PartnerCard(duty_officer=OFFICERS, rota=ROTA)
    assert opening_hours.duty_officers(card, "Pacific/Efate", moment) == who


def test_a_rota_that_cannot_be_read_changes_nothing() -> None:
    card = PartnerCard(duty_officer=OFFICERS, rota={"nights": (NIGHT,)})
    assert opening_hours.duty_officers(card, "Pacific/Efate", NOON) == OFFICERS


OFFICE, LATER = {"hours": "mon-fri 08:00-16:30"}, {"hours": "daily 10:00-20:00"}
ABROAD = OFFICE | {"time_zone": "Africa/Nairobi"}


@pytest.mark.parametrize(
    ("cards", "moment", "who", "opens"),
    [
        ((OFFICE,), "2026-11-27T07:00", 0, "08:00"),
        ((OFFICE,), "2026-11-27T17:00", 0, "30/11 08:00"),
        ((OFFICE, LATER), "2026-11-27T06:00", 0, "08:00"),
        ((OFFICE, LATER), "2026-11-28T06:00", 1, "10:00"),
        ((OFFICE, LATER), "2026-11-27T17:00", None, None),  # the other hotline is open
        ((ABROAD,), "2026-11-27T07:00", 0, "16:00"),  # 21:00 the day before there: read by the reader's clock
        ((ABROAD,), "2026-11-28T01:00", 0, "30/11 16:00"),
        ((OFFICE, {}), "2026-11-27T05:00", None, None),  # the other is always open, or agreed on no hours
        ((OFFICE | {"holidays": "2026-01-01..2030-12-31"},), "2026-11-27T05:00", None, None),
        ((), "2026-11-27T05:00", None, None),
    ],
)
def test_who_reads_first(cards: tuple[dict[str, str], ...], moment: str, who: int | None, opens: str | None) -> None:
    hotlines = [
        replace(one, card=replace(one.card, **card)) for one, card in zip(VU.hotlines.values(), cards, strict=False)
    ]
    found = opening_hours.first_to_open(hotlines, "Pacific/Efate", at(moment, "Pacific/Efate"))
    assert found == (None if who is None else (hotlines[who], opens))


@pytest.mark.rule("S-40")
def test_a_drill_knows_no_rota_of_the_live_service() -> None:
    full = PartnerCard(duty_officer=OFFICERS, rota=ROTA, drills_to=("drill@example.org",))
    helpline = replace(VU.hotlines["vu-pikinini"], card=full)
    kept = validation.hotlines_for_mode({helpline.id: helpline}, "training")[helpline.id]
    assert opening_hours.duty_officers(kept.card, "Pacific/Efate", NOON) == ("drill@example.org",)
