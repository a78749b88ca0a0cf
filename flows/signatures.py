"""The signatures of a catalogue's texts, stored in `locales/<tag>.signed.toml`. Pure.

Two organisations sign a text: one whose people grew up with the language, and one that works in the protection of
children. A signature names a text by digests of its English and of its translation, both with the language, so that it
holds for no other text. The file shows mistakes and edits by hand. It does not prove who wrote it: that is what the
review of the change and the signed paper are for.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from flows.pagination import without_context

MAX_NAME_CHARS = 80  # characters of an organisation's name
SHOWN_CHARS = 60  # characters of the English text that the file shows
_KEY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}")
_FIELDS = {"organisation", "role", "date", "seal", "texts"}


class Role(StrEnum):
    """The role of a signing organisation: one of each has to sign."""

    LANGUAGE = "language"  # its people grew up with the language
    PROTECTION = "protection"  # its people work in the protection of children


@dataclass(frozen=True, slots=True)
class Signature:
    """The texts that one organisation signed on one day. `texts`: key of each text → the beginning of its English."""

    organisation: str
    role: Role
    signed_on: date
    texts: Mapping[str, str] = field(default_factory=dict)


def text_key(tag: str, message: str, translation: str) -> str:
    """Return the key of a text: 16 digits of the English with its context, a hyphen, 16 of the translation."""
    return f"{_digest(tag, message)}-{_digest(tag, translation)}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def seal(tag: str, signature: Signature) -> str:
    """Return the digest of all fields of a signature, which reveals an edit by hand."""
    return _digest(
        tag, signature.organisation, signature.role, signature.signed_on.isoformat(), *sorted(signature.texts)
    )


def same_name(name: str) -> str:
    """Return an organisation's name for comparison: only its letters and digits, without marks and case."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(character for character in plain if character.isalnum()).casefold()


def name_fault(name: str) -> str:
    """Return the fault of an organisation's name; empty if it has none."""
    if sum(map(str.isalpha, name)) < 3 or name != name.strip() or not name.isprintable():
        return f"{name!r} is no name of an organisation"
    if len(name) > MAX_NAME_CHARS:
        return f"the name of an organisation is longer than {MAX_NAME_CHARS} letters"
    return ""


def read_signatures(tag: str, text: str) -> tuple[list[Signature], list[str]]:
    """Return the valid signatures of a file, and a sentence for each invalid one or for the whole file."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [], [f"it cannot be read ({error}): nothing in it counts"]
    entries = tables.get("signature", [])
    if set(tables) - {"signature"} or not isinstance(entries, list):
        return [], ["it has something other than [[signature]] tables: nothing in it counts"]
    signatures: list[Signature] = []
    faults: list[str] = []
    for number, entry in enumerate(entries, 1):
        try:
            signatures.append(_parse(tag, entry, signatures))
        except ValueError as error:
            faults.append(f"signature {number} does not count: {error}")
    return signatures, faults


def _parse(tag: str, entry: object, before: Sequence[Signature]) -> Signature:
    """Return the signature of a table of the file. Raises ValueError with a sentence for a person."""
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise ValueError(f"it has to have {', '.join(sorted(_FIELDS))}, and nothing else")
    name, role, signed_on, texts = entry["organisation"], entry["role"], entry["date"], entry["texts"]
    if not isinstance(name, str) or name_fault(name):
        raise ValueError(name_fault(str(name)) or f"{name!r} is no name of an organisation")
    if role not in list(Role):
        raise ValueError(f"its role is {role!r}; it has to be {' or '.join(Role)}")
    if not isinstance(signed_on, date) or isinstance(signed_on, datetime):
        raise ValueError("its date is no day, such as 2026-11-29")
    if not isinstance(texts, dict) or not texts or not all(map(_KEY.fullmatch, texts)):
        raise ValueError("its texts are not as `tokaut locales sign` writes them")
    signature = Signature(name, Role(role), signed_on, {key: str(english) for key, english in texts.items()})
    if entry["seal"] != seal(tag, signature):
        raise ValueError(f"that of {name} was changed after it was written; take it out and sign again")
    if fault := role_fault(signature, before):
        raise ValueError(fault)
    return signature


def role_fault(new: Signature, before: Iterable[Signature]) -> str:
    """Return the fault of an organisation that has signed in the other role before; empty if it has not."""
    for other in before:
        if same_name(other.organisation) == same_name(new.organisation) and other.role != new.role:
            return (
                f"{other.organisation} has signed for {other.role} before; for {new.role} it has to be another "
                "organisation"
            )
    return ""


def signed_keys(signatures: Iterable[Signature]) -> frozenset[str]:
    """Return the keys of the texts that one organisation of each role has signed."""
    by_role: dict[Role, set[str]] = {role: set() for role in Role}
    for signature in signatures:
        by_role[signature.role] |= set(signature.texts)
    return frozenset(set.intersection(*by_role.values()))


def is_stale(key: str, signatures: Iterable[Signature], current: Collection[str]) -> bool:
    """Return whether the English of this text, or its translation, was signed as a part of a text that has changed.

    `current`: the keys of all texts of the catalogue. Two English texts may have the same translation.
    """
    english, _, own = key.partition("-")
    return any(
        signed_key not in current and (signed_key.startswith(f"{english}-") or signed_key.endswith(f"-{own}"))
        for signature in signatures
        for signed_key in signature.texts
    )


HEADER = """\
# Who has signed which texts of {tag}.po, by digests of the texts. `tokaut locales sign` writes this file; a block that
# is changed by hand counts no more. What it means, and what it proves: docs/add-a-language.md
"""


def write_signature(tag: str, signature: Signature) -> str:
    """Return a signature as a block of the file."""
    lines = [f"{key} = {_quoted(english)}" for key, english in signature.texts.items()]
    return "\n".join(
        (
            "",
            "[[signature]]",
            f"organisation = {_quoted(signature.organisation)}",
            f'role = "{signature.role}"',
            f"date = {signature.signed_on.isoformat()}",
            f'seal = "{seal(tag, signature)}"',
            "[signature.texts]",
            *lines,
            "",
        )
    )


def shown_english(message: str) -> str:
    """Return the beginning of an English text, on one line."""
    text = without_context(message).replace("\n", " / ")
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."


def _quoted(text: str) -> str:
    """Return a text as a TOML string. `text`: printable."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
