"""What the law of a country says about child sexual abuse material, as five criteria at two times."""

from __future__ import annotations

from pydantic import StrictBool
from pydantic.dataclasses import dataclass

from reports.card import SHUT
from reports.hotline import Grade


@dataclass(frozen=True, slots=True, kw_only=True, config=SHUT)
class Reading:
    """The five criteria at one time; None = not established, which never means that something is legal."""

    specific: StrictBool | None = None
    defined: StrictBool | None = None
    computer: StrictBool | None = None
    possession: StrictBool | None = None
    isp: StrictBool | None = None
    edition: str
    grade: Grade
    note: str = ""
    title: str = ""  # sources and titles of laws as they stand: old terms may stand here and nowhere else


@dataclass(frozen=True, slots=True, kw_only=True, config=SHUT)
class Law:
    seed_2014: Reading | None = None
    latest: Reading | None = None
