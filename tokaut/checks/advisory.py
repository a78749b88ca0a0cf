"""A finding that is reported and does not fail a check."""

from __future__ import annotations


class Advisory(str):
    """A sentence about something that could not be checked or needs a look: no fault, and no sign that all is well."""

    __slots__ = ()
