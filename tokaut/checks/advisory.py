"""A finding that is said and does not fail a check."""

from __future__ import annotations


class Advisory(str):
    """A sentence about what could not be looked at: no fault, and not to be taken for good either."""

    __slots__ = ()
