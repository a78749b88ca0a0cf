"""Write documents as whole files, so that a full disk leaves the earlier ones as they were."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_new_document(path: Path, lines: Iterable[str]) -> None:
    """Write a new file, which only this account can read. Half of a surrogate pair is escaped.

    Raises OSError, and leaves no part of the file then.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(lines)
    except BaseException:
        path.unlink()
        raise


def write_documents(texts: Mapping[Path, str], obsolete: Iterable[Path] = ()) -> None:
    """Write texts to files, all of them or none. Raises OSError with the name of the file.

    `obsolete`: files that are deleted once all texts are on the disk. A pipe or a device is written as it is.
    """
    parts: dict[Path, Path] = {}
    path = Path()
    try:
        for path, text in texts.items():
            target = Path(os.path.realpath(path))
            if path.exists() and not target.is_file():
                path.write_text(text, encoding="utf-8")
                continue
            part = target.with_name(f".{target.name}.part")
            parts[part] = target
            with part.open("w", encoding="utf-8") as file:
                if target.exists():
                    os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
                file.write(text)
        for path in obsolete:
            path.unlink(missing_ok=True)
        for part, path in parts.items():
            part.rename(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
