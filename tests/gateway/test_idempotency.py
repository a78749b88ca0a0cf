"""The rules for when two SMS count as the same one."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.messaging.model import Inbound
from gateway.sms import idempotency_key

ONE = Inbound(kind="sms", channel="africastalking", sender="+6785550101", code="163", text="hi", id="ATXid_1")


def test_the_providers_id_says_it_whatever_the_words() -> None:
    assert idempotency_key(ONE) == idempotency_key(replace(ONE, text="other words"))
    assert idempotency_key(ONE) != idempotency_key(replace(ONE, id="ATXid_2"))
    assert idempotency_key(ONE) != idempotency_key(replace(ONE, channel="another"))


def test_without_an_id_the_same_words_of_two_senders_are_two() -> None:
    bare = replace(ONE, id="", sent_at=1_795_000_000)
    assert idempotency_key(bare) == idempotency_key(replace(bare))
    assert idempotency_key(bare) != idempotency_key(replace(bare, sender="+6785550102"))
    assert idempotency_key(bare) != idempotency_key(replace(bare, sent_at=1_795_000_001))


def test_without_id_and_time_each_is_its_own() -> None:
    bare = replace(ONE, id="")
    assert idempotency_key(bare) != idempotency_key(bare)
