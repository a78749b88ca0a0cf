"""The codes that a phone dials or texts to in order to reach a country."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, StrictBool
from pydantic.dataclasses import dataclass

from reports.countries.partner_card import FORBID_EXTRA

_NON_KEY = re.compile(r"[^\d*]+")


@dataclass(frozen=True, slots=True, kw_only=True, config=FORBID_EXTRA)
class ServiceCode:
    """A code that a phone dials (`*111*163#`) or texts to (`163`) to reach this country."""

    channel: Literal["ussd", "sms"]
    code: str = Field(min_length=1)
    network: str = ""
    note: str = ""
    words_before_send: StrictBool = False  # the network has confirmed that a session waits as long as typing takes

    @property
    def given(self) -> bool:
        """Return whether a network has assigned this code; the shipped files mark the others as examples."""
        return self.note != "an example"


def normalize_code(code: str) -> str:
    """Return a code without the signs that providers add or leave out.

    `*111*163#`, `111*163` and `+111*163` are one code.
    """
    return _NON_KEY.sub("", code).strip("*")
