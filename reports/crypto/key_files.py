"""Read and write the key files of the hotlines, and mark them with the mode they belong to.

    <keys>/public/<hotline>/<key_id>.pub    0444   one line: x25519, the raw key as base64url, when it was made (UTC)
    <keys>/private/<hotline>/<key_id>.key   0400   PKCS#8; folders 0700; belongs to the account of worker and clock

`web` gets public keys only, in a folder of its own: `tokaut keys publish` copies them there. The newest key of a
hotline is the current one; older private keys stay until no row names them. `_sender` is not a hotline but the worker
itself: web seals to that key the SMS that the worker is to send.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from reports.crypto import DecryptError, PrivateKey, PublicKey
from runtime import filesystem
from runtime.operator_error import OperatorError
from runtime.settings import Mode, SettingError, SettingFault

SENDER_KEY: Final = "_sender"
_HOTLINE: Final = re.compile(r"_sender|[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_MODE: Final = "_mode"
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
QUEUE_MODE_KEY: Final = "rq:mode"  # a name that every Redis user of the queue may access


class KeyFileError(OperatorError):
    """A key is missing, wrong or readable by others. The message is one line: the file, and what to do."""


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A public key in the folder. The newest one by `made_at` is current.

    `has_private_key`: whether the private key is there too.
    """

    hotline: str
    public: PublicKey
    made_at: datetime
    has_private_key: bool


class PrivateKeySet:
    """The private keys that one process may use.

    A key that was missing or unusable at start is read again when a row names it. `faults`: hotline → a sentence for
    each file that cannot be used; the other keys of the hotline can.
    """

    __slots__ = ("_folder", "_hotlines", "_keys", "faults")

    def __init__(self, keys: Path, hotlines: Collection[str]) -> None:
        self._folder = keys
        self._hotlines = frozenset(hotlines)
        self._keys: dict[tuple[str, str], PrivateKey] = {}
        self.faults: dict[str, list[str]] = {}

    def load(self) -> None:
        """Load all existing keys but those that are damaged or that other accounts can read. Raises KeyFileError.

        It is raised only for a name that no hotline can have.
        """
        for hotline in sorted(self._hotlines):
            if fault := unreadable_private_folder(self._folder, [hotline]):
                self.faults[hotline] = [fault]
                continue
            for path in _entries(_folder(self._folder, "private", hotline), ".key"):
                try:
                    self._keys[hotline, path.stem] = _read_private(path)
                except KeyFileError as fault:
                    self.faults.setdefault(hotline, []).append(str(fault))

    def of(self, hotline: str, key_id: str) -> PrivateKey:
        """Return a private key. Raises DecryptError if the key is not here.

        The caller then alerts a person; the row can be opened once the key is back.
        """
        if (hotline, key_id) not in self._keys:
            if hotline not in self._hotlines or not _KEY_ID.fullmatch(key_id):
                raise DecryptError("this process does not use this key")
            try:
                key = read_private_key(self._folder, hotline, key_id)
            except KeyFileError:
                raise DecryptError("the private key is not on this machine, or cannot be used") from None
            self._keys[hotline, key_id] = key
        return self._keys[hotline, key_id]

    def missing(self) -> tuple[str, ...]:
        """Return the hotlines whose reports this process could not open: it has no key, or not the current one."""
        hotlines_with_key = {hotline for hotline, _ in self._keys}
        return tuple(
            hotline
            for hotline in sorted(self._hotlines)
            if hotline not in hotlines_with_key
            or any((hotline, key.public.key_id) not in self._keys for key in list_keys(self._folder, hotline)[:1])
        )


def load_public_keys(keys: Path, hotlines: Collection[str]) -> Mapping[str, PublicKey]:
    """Return the current public key of each hotline. Raises KeyFileError."""
    current = {}
    for hotline in hotlines:
        listed_keys = list_keys(keys, hotline)
        if not listed_keys:
            raise KeyFileError(
                f"No public key for {hotline} under {keys / 'public'}. Is that the right folder (TOKAUT_KEYS, of web "
                f"TOKAUT_WEB_KEYS)? Web's gets the keys by tokaut keys publish. Only for a hotline that never had a "
                f"key: tokaut keys new {hotline}"
            )
        current[hotline] = listed_keys[0].public
    return current


def load_private_keys(keys: Path, hotlines: Collection[str]) -> PrivateKeySet:
    """Load the private keys for worker, clock or console. Raises KeyFileError for a name that no hotline can have.

    A key that is missing or damaged does not stop the reports of other hotlines.
    """
    key_set = PrivateKeySet(keys, hotlines)
    key_set.load()
    return key_set


def list_keys(keys: Path, hotline: str) -> tuple[ListedKey, ...]:
    """Return the public keys of a hotline, newest first. Raises KeyFileError."""
    private_folder = _folder(keys, "private", hotline)
    listed_keys = []
    for path in _entries(_folder(keys, "public", hotline), ".pub"):
        public_key, made_at = _read_public(path)
        listed_keys.append(
            ListedKey(hotline, public_key, made_at, _exists(private_folder / f"{public_key.key_id}.key"))
        )
    return tuple(sorted(listed_keys, key=lambda key: (key.made_at, key.public.key_id), reverse=True))


def hotlines_with_keys(keys: Path) -> tuple[str, ...]:
    """Return the names, hotlines and `_sender`, that have a folder of public keys here. Raises KeyFileError."""
    return tuple(path.name for path in _entries(keys / "public") if _HOTLINE.fullmatch(path.name))


def _entries(folder: Path, ending: str = "") -> list[Path]:
    """Return what is in a folder, sorted; nothing if there is no folder. Raises KeyFileError.

    Path.glob() would find nothing in a folder that this account may not read, and raise nothing.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(ending))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise KeyFileError(
            f"{folder} cannot be read ({error.strerror}); run this as the account that owns the keys"
        ) from None


def missing_keys(keys: Path, hotlines: Collection[str]) -> str:
    """Return a sentence if the folder has a public key of none of these hotlines; else "". Raises KeyFileError.

    The setting may be wrong: new keys would replace keys that exist elsewhere, and nobody would notice.
    """
    if not hotlines or not set(hotlines).isdisjoint(hotlines_with_keys(keys)):
        return ""
    if fault := lost_public_keys(keys, hotlines):
        return fault
    where = f"No key of this country is in {keys}" if keys.is_dir() else f"There is no folder {keys}, and so no key"
    return (
        f"{where}. Is TOKAUT_KEYS right (default: TOKAUT_DATA/keys)? The keys were made in the folder that it names. "
        f"Only if they were never made: tokaut keys new <name>, for each of {', '.join((*hotlines, SENDER_KEY))}"
    )


def lost_public_keys(keys: Path, names: Collection[str]) -> str:
    """Return a sentence if there are private keys of these names, and no public ones; else "".

    Whoever restores only the private keys would be told to make new ones, and nobody could compare key ids.
    """
    # glob() finds nothing in a folder that this account may not read.
    lost = [name for name in sorted(names) if any((keys / "private" / name).glob("*.key"))]
    lost = [name for name in lost if not any((keys / "public" / name).glob("*.pub"))]
    if not lost:
        return ""
    return (
        f"{keys / 'private'} has keys of {', '.join(lost)}, and {keys / 'public'} has none of them. Make no new ones: "
        f"put the folder public back, from the copy of {keys} or from web's folder of keys (TOKAUT_WEB_KEYS)"
    )


def unreadable_private_folder(keys: Path, hotlines: Collection[str]) -> str:
    """Return a sentence about the first folder of private keys that this account may not read; "" if there is none.

    Raises KeyFileError for a name that no hotline can have.
    """
    for folder in [_folder(keys, "private", hotline) for hotline in hotlines]:
        try:
            _entries(folder)
        except KeyFileError as fault:
            return str(fault)
    return ""


def refuse_private_keys(folder: Path) -> None:
    """Refuse a folder of keys for web in which this account can read a private key.

    Raises:
        KeyFileError: names the first such key and how to give web a folder of its own. The key stays where it is.
    """
    for path in readable_private_keys(folder):
        raise KeyFileError(
            f"web must not have access to private keys, and can read {path}. Leave that key where it is: set "
            "TOKAUT_WEB_KEYS to a folder with public keys only, which `tokaut keys publish` makes "
            "(docs/install.md, Setting up)"
        )


def readable_private_keys(folder: Path) -> Iterator[Path]:
    """Yield the private keys anywhere under `folder` that this account can read, regardless of their file names."""
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file() and b"PRIVATE KEY" in path.read_bytes()[:4096]:
                yield path
        except OSError:  # not readable for this account, as required
            continue


def publish_public_keys(keys: Path, to: Path) -> int:
    """Copy every public key, and the mark of the mode, from <keys>/public to <to>/public.

    Returns:
        The number of files that were new or different there.

    Raises:
        KeyFileError: `to` cannot be written, or is the folder of the private keys itself.
    """
    if to.resolve() == keys.resolve() or keys.resolve() / "private" in (to.resolve(), *to.resolve().parents):
        raise KeyFileError(f"{to} is the folder of the private keys; name another one for web")
    changed = 0
    source = keys / "public"
    folders = [path for path in _entries(source) if path.name != _MODE]
    for path in [*(path for folder in folders for path in _entries(folder, ".pub")), *_entries(source, _MODE)]:
        target = to / "public" / path.relative_to(source)
        try:
            data = path.read_bytes()
            if b"PRIVATE KEY" in data:
                raise KeyFileError(f"{path} is a private key among the public ones; move it out of {source}")
            if target.is_file() and target.read_bytes() == data:
                continue
            target.unlink(missing_ok=True)
        except OSError as error:
            raise KeyFileError(f"{error.filename} cannot be copied ({error.strerror}); run this as its owner") from None
        write_key_file(target, data, mode=0o444, folders=0o755)
        changed += 1
    return changed


def create_key_pair(keys: Path, hotline: str) -> PublicKey:
    """Create a key pair, which becomes the hotline's current one. Raises KeyFileError."""
    private = PrivateKey.generate()
    path = _write_private(keys, hotline, private)
    with deleted_on_failure(path):
        _write_public(keys, hotline, private.public)
    return private.public


@contextmanager
def deleted_on_failure(path: Path) -> Iterator[None]:
    """Delete a new private key if its public one cannot be written: nothing is sealed to it, and no pair is lost."""
    try:
        yield
    except KeyFileError:
        with suppress(OSError):
            path.unlink()
        raise


def restore_private_key(keys: Path, hotline: str, private: PrivateKey) -> None:
    """Write a private key from its recovery sheet. Raises KeyFileError.

    It becomes the current key only if the hotline has no other.
    """
    existing_keys = list_keys(keys, hotline)
    _write_private(keys, hotline, private)
    if not existing_keys:
        _write_public(keys, hotline, private.public)


def destroy_private_key(keys: Path, hotline: str, key_id: str) -> None:
    """Destroy an older private key. From then on nobody can open data sealed to it. Raises KeyFileError."""
    if key_id in [key.public.key_id for key in list_keys(keys, hotline)[:1]]:
        raise KeyFileError(f"{key_id} is {hotline}'s current key; make a new one first: tokaut keys rotate {hotline}")
    path = _folder(keys, "private", hotline) / f"{_key_id(key_id)}.key"
    # Under another name first: a run that is stopped leaves no damaged key, and a second run destroys the rest.
    condemned = path.with_suffix(".destroyed")
    try:
        if path.exists() or not condemned.exists():
            path.replace(condemned)
            filesystem.sync(path.parent)
        size = condemned.stat().st_size
        condemned.chmod(0o600)
        with condemned.open("r+b") as file:
            file.write(bytes(size))  # overwrites the key on disks that write in place
            file.flush()
            os.fsync(file.fileno())
        condemned.unlink()
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be destroyed ({error.strerror}); is it here, and this its account?"
        ) from None


def _key_id(key_id: str) -> str:
    if not _KEY_ID.fullmatch(key_id):
        raise KeyFileError(f"{key_id!r} is not a valid key id (16 hexadecimal digits); tokaut keys list has them")
    return key_id


def read_private_key(keys: Path, hotline: str, key_id: str) -> PrivateKey:
    """Read a private key. Raises KeyFileError."""
    return _read_private(_folder(keys, "private", hotline) / f"{key_id}.key")


def _write_private(keys: Path, hotline: str, private_key: PrivateKey) -> Path:
    path = _folder(keys, "private", hotline) / f"{private_key.key_id}.key"
    write_key_file(path, private_key.pem(), mode=0o400, folders=0o700)
    return path


def _write_public(keys: Path, hotline: str, public_key: PublicKey) -> None:
    path = _folder(keys, "public", hotline) / f"{public_key.key_id}.pub"
    made_at = newest_time(key.made_at for key in list_keys(keys, hotline))
    line = f"x25519 {base64.urlsafe_b64encode(public_key.raw).decode()} {made_at.isoformat()}\n"
    write_key_file(path, line.encode(), mode=0o444, folders=0o755)


def newest_time(earlier: Iterable[datetime]) -> datetime:
    """Return the time of a key that is made now: after those of the earlier ones, also if the clock was ahead then.

    Otherwise the earlier key would stay the current one until that time.
    """
    return max((datetime.now(UTC), *(made_at + timedelta(microseconds=1) for made_at in earlier)))


def _folder(keys: Path, kind: str, hotline: str) -> Path:
    if not _HOTLINE.fullmatch(hotline):
        raise KeyFileError(f"{hotline!r} is not a valid hotline id: small letters, digits, - and _")
    return keys / kind / hotline


def _read_public(path: Path) -> tuple[PublicKey, datetime]:
    try:
        kind, raw, made_at = path.read_text("ascii").split()
        public_key = PublicKey(base64.b64decode(raw, altchars=b"-_", validate=True))
        created_at = datetime.fromisoformat(made_at).astimezone(UTC)
    except (OSError, ValueError, binascii.Error, DecryptError):
        raise KeyFileError(f"{path} is not a readable public key; copy it again from where it was made") from None
    if kind != "x25519" or public_key.key_id != path.stem:
        raise KeyFileError(f"{path} holds another key than its name says; copy it again from where it was made")
    return public_key, created_at


def _read_private(path: Path) -> PrivateKey:
    try:
        private = PrivateKey.from_pem(read_private_file(path))
    except DecryptError as reason:
        raise KeyFileError(f"{path} is {reason}; put it back from its copy") from None
    if private.key_id != path.stem:
        raise KeyFileError(f"{path} holds another key than its name says; put it back from its copy")
    return private


def read_private_file(path: Path) -> bytes:
    """Read a private key file. Raises KeyFileError if other accounts can read it or this account cannot."""
    try:
        if path.stat().st_mode & _OTHERS:
            raise KeyFileError(f"{path} can be read by other accounts; chmod 0400 {path}")
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({error.strerror}); give it to the account of the worker") from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no access to the folder: for this account the file does not exist
        return False


def write_key_file(path: Path, data: bytes, *, mode: int, folders: int) -> None:
    """Write a new file and sync it, before anything is sealed to the key. Raises KeyFileError.

    `mode`: of the file; `folders`: of the folders that are created.
    """
    try:
        for folder, folder_mode in ((path.parents[2], 0o711), (path.parents[1], folders), (path.parent, folders)):
            if not folder.is_dir():
                folder.mkdir(parents=True)
                folder.chmod(folder_mode)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            path.unlink()  # a part of a key is none
            raise
    except FileExistsError:
        raise KeyFileError(f"{path} is there already; only if it is damaged, move it to another folder first") from None
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be written ({error.strerror}); run this as the account that owns the keys"
        ) from None


# Keep training and live apart (S-40): each mode has its own keys and its own queue, as it has its own database.
#
# Each process checks this at start. The first process marks: the first `tokaut keys new` marks its folder of keys,
# any process marks a queue. A queue that another mode has marked does not stop a live service: live mode takes the
# queue over, and the other modes are refused.


def has_no_keys(keys: Path) -> bool:
    """Return whether no key pair was made in this folder yet.

    Pairs without a mark may be of any mode, and stay without one.
    """
    return not hotlines_with_keys(keys)


def mark_keys(keys: Path, mode: Mode) -> None:
    """Mark all keys of this folder as keys of `mode`, after the first pair was made.

    The mark is published to web with the public keys.
    """
    path = _mark_file(keys)
    path.write_text(f"{mode}\n", "ascii")
    path.chmod(0o444)


def refuse_shared(keys: Path, queue: Redis, mode: Mode) -> None:
    """Check keys and queue, at the start of a process that has both. Raises SettingError."""
    refuse_keys(keys, mode)
    refuse_queue(queue, mode)


def refuse_keys(keys: Path, mode: Mode) -> None:
    """Refuse keys that are marked for another mode. Raises SettingError."""
    try:
        mark = _mark_file(keys).read_text("ascii").strip()
    except (OSError, ValueError):
        return
    if mark and mark != mode:
        reason = (
            f"holds the keys of {mark} mode, and TOKAUT_MODE is {mode}; give each mode keys of its own, or, if these "
            f"are of {mode} mode after all, remove {_mark_file(keys)}"
        )
        raise SettingError([SettingFault("TOKAUT_KEYS", reason)])


def refuse_queue(redis: Redis, mode: Mode) -> None:
    """Refuse a queue that is marked for another mode; mark one that has no mark. Raises SettingError.

    A Redis that is unavailable or accepts no writes is no reason to refuse the start.
    """
    try:
        mark = redis.get(QUEUE_MODE_KEY)
        if mark is None or mode == Mode.LIVE:
            redis.set(QUEUE_MODE_KEY, mode, nx=mode != Mode.LIVE)
            return
    except (RedisError, OSError):
        return
    if isinstance(mark, bytes) and mark != mode.encode():
        reason = (
            f"is a Redis with the queue of {mark.decode('ascii', 'replace')} mode, and TOKAUT_MODE is {mode}; give "
            f"each mode a database of its own (…/1), or, if that mode is gone from here, delete the key "
            f"{QUEUE_MODE_KEY}"
        )
        raise SettingError([SettingFault("REDIS_QUEUE_URL or REDIS_URL", reason)])


def _mark_file(keys: Path) -> Path:
    return keys / "public" / _MODE
