"""Which SMS are one and the same."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.messaging.model import Inbound
from gateway.sms.idempotency import name_of

ONE = Inbound(kind="sms", channel="africastalking", sender="+6785550101", code="163", text="hi", id="ATXid_1")


def test_the_providers_id_says_it_whatever_the_words() -> None:
    assert name_of(ONE) == name_of(replace(ONE, text="other words"))
    assert name_of(ONE) != name_of(replace(ONE, id="ATXid_2"))
    assert name_of(ONE) != name_of(replace(ONE, channel="another"))


def test_without_an_id_the_same_words_of_two_senders_are_two() -> None:
    bare = replace(ONE, id="", sent_at=1_795_000_000)
    assert name_of(bare) == name_of(replace(bare))
    assert name_of(bare) != name_of(replace(bare, sender="+6785550102"))
    assert name_of(bare) != name_of(replace(bare, sent_at=1_795_000_001))


def test_without_id_and_time_each_is_its_own() -> None:
    bare = replace(ONE, id="")
    assert name_of(bare) != name_of(bare)
