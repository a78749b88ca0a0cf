"""The earlier reports of a phone that a report names, for each hotline."""

from __future__ import annotations

import pytest

from gateway.sessions.phone_history import SentReport, linked_ids, pack_sent, unpack_sent

ONE, OTHER = "vu-pikinini", "vu-police"
BOTH = SentReport("both", (ONE, OTHER), with_number=False)
MINE = SentReport("mine", (ONE,), with_number=False)
THEIRS = SentReport("theirs", (OTHER,), with_number=False)
NUMBERED = SentReport("numbered", (ONE, OTHER), with_number=True)
UNROUTED = SentReport("unrouted", (), with_number=False)
EVERY = (BOTH, MINE, THEIRS, NUMBERED, UNROUTED, MINE)


@pytest.mark.parametrize(
    ("hotline", "with_number", "found"),
    [
        (ONE, False, ("both", "mine")),
        (OTHER, False, ("both", "theirs")),
        (ONE, True, ("numbered",)),
        ("vu-womens-centre", False, ()),
    ],
)
def test_its_own_hotline_and_the_same_choice_about_the_number(
    hotline: str, with_number: bool, found: tuple[str, ...]
) -> None:
    assert linked_ids(EVERY, "later", hotline, with_number=with_number) == found


def test_a_report_never_names_itself() -> None:
    assert linked_ids(EVERY, "mine", ONE, with_number=False) == ("both",)


def test_what_has_another_shape_is_forgotten() -> None:
    assert unpack_sent(pack_sent(BOTH)) == BOTH
    for raw in (b"", b"{}", b"[]", b'["x"]', b'["x",["y"],2]', b"not json"):
        assert unpack_sent(raw) is None
