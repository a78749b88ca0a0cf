"""Write documents as whole files, so that a full disk leaves the earlier ones as they were."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tokaut.terminal import CommandError

NEW_MODE = 0o666  # less the umask, as any new document


@contextmanager
def writing(path: Path, advice: str) -> Iterator[None]:
    """Raise CommandError with this advice if `path`, or a file in it, cannot be written."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{error.filename or path} cannot be written ({error.strerror}). {advice}") from None


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


def write_page(path: Path, text: str, advice: str) -> None:
    """Write a page, also in place of an earlier page. Raises CommandError, with this advice if it cannot be written.

    A file that does not begin as the page does is never replaced: the name may be a mistake.
    """
    start = text[:15].encode().lower()
    with writing(path, advice):
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file:
                if file.read(len(start)).lower() != start:
                    raise CommandError(
                        f"{path} is there already, and is no page. Name a new file; nothing was changed."
                    )
        write_documents({path: text})


def write_documents(texts: Mapping[Path, str], obsolete: Iterable[Path] = ()) -> None:
    """Write texts to files, all of them or none. Raises OSError with the name of the file.

    `obsolete`: files that are deleted once all texts are on the disk. A pipe or a device is written as it is, and so is
    a file in a folder that takes no new file; that one is written last, and only it may be left incomplete.
    """
    parts: dict[Path, Path] = {}
    direct: list[Path] = []
    path = Path()
    try:
        for path, text in texts.items():
            target = Path(os.path.realpath(path))
            if path.exists() and not target.is_file():
                path.write_text(text, encoding="utf-8")
                continue
            part = target.with_name(f".{secrets.token_hex(8)}.part")
            try:
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, NEW_MODE)
            except OSError:
                if not os.access(target, os.W_OK):
                    raise
                direct.append(path)
                continue
            parts[part] = target
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                if target.exists():
                    os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
                file.write(text)
        for path in direct:
            path.write_text(texts[path], encoding="utf-8")
        for path in obsolete:
            path.unlink(missing_ok=True)
        for part, path in parts.items():
            part.rename(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
