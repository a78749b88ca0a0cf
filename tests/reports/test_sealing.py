"""A sealed body opens for one hotline in one context; everything else is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from reports.crypto import (
    DecryptError,
    PrivateKey,
    PublicKey,
    SealContext,
    SealedBody,
    open_body,
    open_head,
    rewrap_body,
    seal_body,
)
from reports.crypto.symmetric import frame

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "sealing_vectors.json").read_text("utf-8"))
SECOND = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
REPORT = "01931c2a-7b1e-7000-8000-000000000001"
CONTEXT = SealContext("demo", REPORT, 1, "vu-pikinini")
HEAD, BODY = b'{"danger":"no"}', b'{"narrative":"neutral words"}'
KEY = PrivateKey.generate()
BOX = seal_body(KEY.public, CONTEXT, HEAD, BODY)


def vector_box(vector: dict[str, Any]) -> SealedBody:
    return SealedBody(vector["key_id"], *(bytes.fromhex(vector[part]) for part in ("wrap", "head", "sealed")))


def with_part(part: str, value: bytes) -> SealedBody:
    changed: dict[str, Any] = {part: value}
    return dataclasses.replace(BOX, **changed)


# Test vectors with fixed keys, made by this project and by a second implementation


@pytest.mark.rule("A-38")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['made_by']}-{v['context']['mode']}")
def test_the_kept_vectors_open_here(vector: dict[str, Any]) -> None:
    private, context = PrivateKey.from_raw(bytes.fromhex(vector["private"])), SealContext(**vector["context"])
    assert private.key_id == vector["key_id"]
    assert context.info(private.key_id).hex() == vector["info"]
    assert (context.aad("head").hex(), context.aad("body").hex()) == (vector["aad_head"], vector["aad_body"])
    assert open_head(private, context, vector_box(vector)).decode() == vector["opens_to"]["head"]
    assert open_body(private, context, vector_box(vector)).decode() == vector["opens_to"]["body"]


@pytest.mark.rule("A-38")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['made_by']}-{v['context']['mode']}")
def test_the_kept_vectors_open_by_a_second_implementation(vector: dict[str, Any]) -> None:
    assert by_second_implementation(bytes.fromhex(vector["private"]), vector_box(vector), vector["info"], vector) == (
        vector["opens_to"]["head"].encode(),
        vector["opens_to"]["body"].encode(),
    )


def by_second_implementation(raw: bytes, box: SealedBody, info: str, aad: dict[str, str]) -> tuple[bytes, bytes]:
    private = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(raw))
    assert box.wrap[:1] == b"\x01"
    recipient = SECOND.create_recipient_context(box.wrap[1:33], private, info=bytes.fromhex(info))
    aes = AESGCM(recipient.open(box.wrap[33:]))
    return (
        aes.decrypt(box.head[:12], box.head[12:], bytes.fromhex(aad["aad_head"])),
        aes.decrypt(box.sealed[:12], box.sealed[12:], bytes.fromhex(aad["aad_body"])),
    )


def test_what_is_sealed_today_opens_by_a_second_implementation() -> None:
    aad = {"aad_head": CONTEXT.aad("head").hex(), "aad_body": CONTEXT.aad("body").hex()}
    assert by_second_implementation(KEY.raw(), BOX, CONTEXT.info(KEY.key_id).hex(), aad) == (HEAD, BODY)


def test_what_a_second_implementation_seals_opens_here() -> None:
    public = KEMKey.from_pyca_cryptography_key(X25519PrivateKey.from_private_bytes(KEY.raw()).public_key())
    enc, sender = SECOND.create_sender_context(public, info=CONTEXT.info(KEY.key_id))
    body_key, nonce = AESGCM.generate_key(256), bytes(12)
    sealed = nonce + AESGCM(body_key).encrypt(nonce, BODY, CONTEXT.aad("body"))
    assert open_body(KEY, CONTEXT, SealedBody(KEY.key_id, b"\x01" + enc + sender.seal(body_key), b"", sealed)) == BODY


# A sealed body


def test_a_box_has_the_size_that_the_store_expects_and_nothing_of_the_words() -> None:
    assert (len(BOX.wrap), len(BOX.head), len(BOX.sealed)) == (81, len(HEAD) + 28, len(BODY) + 28)
    assert BODY[:8] not in BOX.sealed


def test_the_same_words_sealed_twice_have_nothing_in_common() -> None:
    again = seal_body(KEY.public, CONTEXT, HEAD, BODY)
    assert {again.wrap, again.head, again.sealed}.isdisjoint({BOX.wrap, BOX.head, BOX.sealed})


def test_the_public_half_alone_comes_from_32_bytes() -> None:
    assert open_body(KEY, CONTEXT, seal_body(PublicKey(KEY.public.raw), CONTEXT, HEAD, BODY)) == BODY


@pytest.mark.rule("A-38")
@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "live"},
        {"report_id": REPORT[:-1] + "2"},
        {"revision": 2},
        {"hotline": "vu-police"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_context_is_poison(changed: dict[str, Any]) -> None:
    other = dataclasses.replace(CONTEXT, **changed)
    for opener in (open_head, open_body):
        with pytest.raises(DecryptError):
            opener(KEY, other, BOX)


@pytest.mark.rule("X-25")
def test_a_training_report_never_opens_as_live() -> None:
    training = dataclasses.replace(CONTEXT, mode="training")
    with pytest.raises(DecryptError):
        open_body(KEY, dataclasses.replace(CONTEXT, mode="live"), seal_body(KEY.public, training, HEAD, BODY))


@pytest.mark.parametrize("part", ["wrap", "head", "sealed"])
def test_each_single_flipped_byte_is_poison(part: str) -> None:
    whole: bytes = getattr(BOX, part)
    for at in range(len(whole)):
        flipped = whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]
        with pytest.raises(DecryptError):
            box = with_part(part, flipped)
            open_head(KEY, CONTEXT, box)
            open_body(KEY, CONTEXT, box)


@pytest.mark.parametrize("part", ["wrap", "head", "sealed"])
def test_each_shorter_part_is_poison(part: str) -> None:
    whole: bytes = getattr(BOX, part)
    for length in range(len(whole)):
        with pytest.raises(DecryptError):
            box = with_part(part, whole[:length])
            open_head(KEY, CONTEXT, box)
            open_body(KEY, CONTEXT, box)


@pytest.mark.rule("A-37")
@pytest.mark.parametrize("suite", [b"", b"\x00", b"\x02", b"\xff"])
def test_an_unknown_suite_is_poison_and_no_other_exception(suite: bytes) -> None:
    with pytest.raises(DecryptError, match="suite"):
        open_body(KEY, CONTEXT, dataclasses.replace(BOX, wrap=suite + BOX.wrap[1:] if suite else b""))


def test_head_and_body_cannot_be_exchanged() -> None:
    with pytest.raises(DecryptError):
        open_head(KEY, CONTEXT, dataclasses.replace(BOX, head=BOX.sealed))


@pytest.mark.rule("X-09")
def test_another_private_key_is_poison_whatever_key_id_the_row_claims() -> None:
    other = PrivateKey.generate()
    for key_id in (BOX.key_id, other.key_id):
        with pytest.raises(DecryptError):
            open_body(other, CONTEXT, dataclasses.replace(BOX, key_id=key_id))


def test_rewrapping_changes_the_wrap_and_no_body() -> None:
    new = PrivateKey.generate()
    moved = rewrap_body(KEY, new.public, CONTEXT, BOX)
    assert (moved.key_id, moved.head, moved.sealed) == (new.key_id, BOX.head, BOX.sealed)
    assert open_body(new, CONTEXT, moved) == BODY
    with pytest.raises(DecryptError):
        open_body(KEY, CONTEXT, moved)


@given(head=st.binary(max_size=200), body=st.binary(max_size=4000))
@settings(max_examples=50, deadline=None)
def test_any_bytes_come_back(head: bytes, body: bytes) -> None:
    box = seal_body(KEY.public, CONTEXT, head, body)
    assert (open_head(KEY, CONTEXT, box), open_body(KEY, CONTEXT, box)) == (head, body)


# Keys


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(33), bytes(32)], ids=["none", "short", "long", "zero point"])
def test_a_public_key_that_is_none_is_poison(raw: bytes) -> None:
    with pytest.raises(DecryptError):
        PublicKey(raw)


@pytest.mark.parametrize("pem", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_private_key_that_is_none_is_poison(pem: bytes) -> None:
    with pytest.raises(DecryptError):
        PrivateKey.from_pem(pem)


def test_a_private_key_comes_back_from_its_file_and_its_sheet() -> None:
    assert {PrivateKey.from_pem(KEY.pem()).key_id, PrivateKey.from_raw(KEY.raw()).key_id} == {KEY.key_id}


def test_no_repr_shows_a_private_key() -> None:
    assert KEY.raw().hex() not in repr(KEY)
    assert repr(KEY.raw()) not in repr(KEY)


# Framing


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.binary(max_size=20), max_size=5))
def test_two_different_lists_of_parts_never_frame_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (frame(*one) == frame(*other)) is (one == other)
