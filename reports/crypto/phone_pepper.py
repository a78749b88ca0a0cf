"""The file of this month's and last month's phone pepper. It is random, renewed each month, and in no backup.

Two lines of base64url, newest first, mode 0400. A pepper derived from one stored secret would be no rotation: with that
secret the hashes of every month could be reversed.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from reports.crypto import PhonePepper
from runtime.settings import SettingError, SettingFault

_NAME = "TOKAUT_PHONE_PEPPER_FILE"
_MAKE = "tokaut keys rotate phone-pepper"


def load_pepper(path: Path) -> PhonePepper:
    """Load the peppers from the file. Raises SettingError."""
    return PhonePepper(_read(path))


def rotate_pepper(path: Path) -> bool:
    """Write a new pepper; this month's becomes last month's. Return False if there was no file. Raises SettingError."""
    previous = _read(path)[:1] if path.exists() else ()
    lines = [base64.urlsafe_b64encode(pepper).decode() + "\n" for pepper in (secrets.token_bytes(32), *previous)]
    temporary_path = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(descriptor)
        temporary_path.replace(path)
    except OSError as error:
        raise _fault(
            f"names {path}, which cannot be written ({error.strerror}); run this as the account of web"
        ) from None
    return bool(previous)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _fault(f"names {path}, which others can read; chmod 0400 {path}")
        encoded_peppers = path.read_text("ascii").split()
        peppers = tuple(base64.b64decode(encoded, altchars=b"-_", validate=True) for encoded in encoded_peppers)
    except FileNotFoundError:
        raise _fault(f"names {path}, which is not there; make it: {_MAKE}") from None
    except OSError as error:
        raise _fault(f"names {path}, which cannot be read ({error.strerror}); correct the path or its owner") from None
    except (ValueError, binascii.Error):
        raise _fault(f"names {path}, which holds no pepper; remove it and make a new one: {_MAKE}") from None
    if not 1 <= len(peppers) <= 2 or any(len(pepper) < 32 for pepper in peppers):
        raise _fault(f"names {path}, which holds no pepper; remove it and make a new one: {_MAKE}")
    return peppers


def _fault(reason: str) -> SettingError:
    return SettingError([SettingFault(_NAME, reason)])
