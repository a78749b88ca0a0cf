"""The results of `tokaut flows lint` of each country and channel, stored until anything they depend on changes.

The name of a file is a digest of everything that a result depends on: the flows, the country's file, the catalogues of
its languages, and the code that checks. So a result never has to be declared out of date.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

import flows
import gateway
import locales
import reports
import runtime
import tokaut
from flows.authoring.lint import BatchResult

CODE: Final = (flows, gateway, reports, runtime, tokaut)
KEPT_SECONDS: Final = 30 * 86_400  # time after a result was last used


def cache_folder() -> Path:
    """Return the folder of the results: in XDG_CACHE_HOME, or else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "tokaut" / "lint"


class LintCache:
    """The stored results for one folder of flows. If the folder cannot be read or written, nothing is stored."""

    def __init__(self, folder: Path, flow_dir: Path) -> None:
        self._folder = folder
        self._shared = hashlib.sha256(f"{sys.version}\n{flow_dir.absolute()}\n".encode())  # findings name the files
        for path in (*_code(), *sorted(flow_dir.glob("*.yaml"))):
            _add(self._shared, path)

    def key(self, country_file: Path, languages: Iterable[str], channel: str) -> str:
        """Return the digest of everything that the result of this country and channel depends on."""
        digest = self._shared.copy()
        digest.update(channel.encode())
        for path in (country_file, *(locales.FOLDER / f"{tag}.po" for tag in sorted(languages))):
            _add(digest, path)
        return digest.hexdigest()

    def load(self, key: str) -> BatchResult | None:
        """Return the stored result; None if there is none."""
        path = self._folder / f"{key}.json"
        try:
            result = msgspec.json.decode(path.read_bytes(), type=BatchResult)
            os.utime(path)
        except (OSError, msgspec.MsgspecError):
            return None
        return result

    def store(self, key: str, result: BatchResult) -> None:
        """Store a result."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = self._folder / f"{key}.{os.getpid()}"
            temporary.write_bytes(msgspec.json.encode(result))
            temporary.replace(self._folder / f"{key}.json")

    def remove_old(self) -> None:
        """Remove the results that were not used for 30 days."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                    path.unlink()


def _code() -> Iterator[Path]:
    for package in CODE:
        yield from sorted(path for root in package.__path__ for path in Path(root).rglob("*.py"))


def _add(digest: hashlib._Hash, path: Path) -> None:
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    digest.update(f"{path.name} {len(data)}\n".encode())
    digest.update(data)
