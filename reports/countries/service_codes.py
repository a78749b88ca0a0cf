"""The codes by which a phone reaches a country: what it dials, or texts to."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, StrictBool
from pydantic.dataclasses import dataclass

from reports.countries.partner_card import FORBID_EXTRA

_NO_KEY = re.compile(r"[^\d*]+")


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class ServiceCode:
    """What a phone dials (`*111*163#`) or texts (`163`) to reach this country."""

    channel: Literal["ussd", "sms"]
    code: str = Field(min_length=1)
    network: str = ""
    note: str = ""
    words_before_send: StrictBool = False  # the network lets a call wait as long as typing takes: by its own word

    @property
    def given(self) -> bool:
        """By a network; the shipped files mark the others."""
        return self.note != "an example"


def normalize_code(code: str) -> str:
    """A code without what providers add or leave out: `*111*163#`, `111*163` and `+111*163` are one."""
    return _NO_KEY.sub("", code).strip("*")
