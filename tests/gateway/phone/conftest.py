"""A whole installation with the phone's page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.gateway.phone.page_user import PageUser
from tests.support.installation import Installation


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    installation = Installation().up()
    yield installation
    installation.down()


# The page draws the last three digits of its phones' numbers at random. Two visits of one installation could draw the
# same number, and with it the open session of a text.
DRAWN = "{{ let drawn = {}; crypto.getRandomValues = (into) => {{ into[0] = drawn; drawn += 2; return into; }}; }}"
DRAWS_OF_A_VISIT = 5  # countries and languages that a test chooses on one page


@pytest.fixture(scope="module")
def first_numbers() -> Iterator[int]:
    """The first drawn number of each visit."""
    return count(0, 2 * DRAWS_OF_A_VISIT)


@pytest.fixture
def visit(
    installation: Installation, chromium: object, first_numbers: Iterator[int]
) -> Iterator[Callable[..., PageUser]]:
    """Open the page in any size. Afterwards, check that it logged nothing, was refused nothing and stored nothing."""
    opened: list[PageUser] = []

    def open_it(*, quiet: bool = True, **how: int) -> PageUser:
        script = DRAWN.format(next(first_numbers))
        page = chromium.open(f"{installation.web}/phone", script=script, **how)  # type: ignore[attr-defined]
        user = PageUser(page, quiet=quiet)
        opened.append(user)
        return user

    yield open_it
    for user in opened:
        user.leave(installation.web, installation.plan.where.hotline)
