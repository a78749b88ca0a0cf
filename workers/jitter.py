"""The chance that the delays of workers/schedule.py are passed."""

from __future__ import annotations

import random


def both_ways() -> float:
    """In [-1, 1]."""
    return random.SystemRandom().uniform(-1, 1)
