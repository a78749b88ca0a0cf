"""Key files: their permissions, and the message if one is missing or wrong."""

from __future__ import annotations

import base64
import errno
import os
from pathlib import Path

import pytest
import time_machine

from reports.crypto import DecryptError, PrivateKey, PublicKey, SealContext, open_body, seal_body
from reports.crypto.key_files import (
    SENDER_KEY,
    KeyFileError,
    create_key_pair,
    destroy_private_key,
    hotlines_with_keys,
    list_keys,
    load_private_keys,
    load_public_keys,
    publish_public_keys,
    readable_private_keys,
    refuse_private_keys,
    restore_private_key,
)

CONTEXT = SealContext("demo", "01931c2a-7b1e-7000-8000-000000000001", 1, "vu-pikinini")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def modes(keys: Path) -> dict[str, str]:
    return {str(p.relative_to(keys)): f"{p.stat().st_mode & 0o777:04o}" for p in (keys, *keys.rglob("*"))}


def make(keys: Path, hotline: str, day: int) -> PublicKey:
    with time_machine.travel(f"2026-11-{day:02}T08:00:00Z", tick=False):
        return create_key_pair(keys, hotline)


def test_a_pair_is_laid_down_with_the_right_modes(keys: Path) -> None:
    key_id = create_key_pair(keys, "vu-pikinini").key_id
    assert modes(keys) == {
        ".": "0711",
        "public": "0755",
        "public/vu-pikinini": "0755",
        f"public/vu-pikinini/{key_id}.pub": "0444",
        "private": "0700",
        "private/vu-pikinini": "0700",
        f"private/vu-pikinini/{key_id}.key": "0400",
    }


def test_what_web_seals_with_the_public_half_the_worker_opens(keys: Path) -> None:
    create_key_pair(keys, "vu-pikinini")
    box = seal_body(load_public_keys(keys, ["vu-pikinini"])["vu-pikinini"], CONTEXT, b"{}", b"body")
    assert open_body(load_private_keys(keys, ["vu-pikinini"]).of("vu-pikinini", box.key_id), CONTEXT, box) == b"body"


def test_the_newest_key_is_current_and_the_older_ones_still_open(keys: Path) -> None:
    old, middle, newest = (make(keys, "vu-pikinini", day) for day in (1, 12, 25))
    assert load_public_keys(keys, ["vu-pikinini"])["vu-pikinini"].key_id == newest.key_id
    assert [one.public.key_id for one in list_keys(keys, "vu-pikinini")] == [newest.key_id, middle.key_id, old.key_id]
    assert load_private_keys(keys, ["vu-pikinini"]).of("vu-pikinini", old.key_id).key_id == old.key_id


def test_a_key_made_after_one_from_a_time_ahead_is_current(keys: Path) -> None:
    """The clock was a year ahead at the last rotation; web must not seal to a key that was replaced on suspicion."""
    with time_machine.travel("2027-11-01T08:00:00Z", tick=False):
        create_key_pair(keys, "vu-pikinini")
    for day in (1, 2):
        public = make(keys, "vu-pikinini", day)
        assert load_public_keys(keys, ["vu-pikinini"])["vu-pikinini"].key_id == public.key_id


def test_the_worker_itself_has_a_key(keys: Path) -> None:
    create_key_pair(keys, SENDER_KEY)
    assert hotlines_with_keys(keys) == (SENDER_KEY,)


@pytest.mark.parametrize("hotline", ["", "..", "../etc", "VU", "vu pikinini", "_other", "vu/pikinini"])
def test_a_hotlines_name_never_leaves_the_folder(keys: Path, hotline: str) -> None:
    with pytest.raises(KeyFileError, match="is not a valid hotline id"):
        create_key_pair(keys, hotline)


# Faults that stop the start


def test_public_key_missing(keys: Path) -> None:
    create_key_pair(keys, "vu-pikinini")
    with pytest.raises(KeyFileError) as raised:
        load_public_keys(keys, ["vu-pikinini", "vu-police"])
    assert str(raised.value) == (
        f"No public key for vu-police under {keys / 'public'}. Is that the right folder (TOKAUT_KEYS, of web "
        "TOKAUT_WEB_KEYS)? Web's gets the keys by tokaut keys publish. Only for a hotline that never had a key: "
        "tokaut keys new vu-police"
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x25519",
        f"x25519 {base64.urlsafe_b64encode(bytes(range(31))).decode()} 2026-11-01T08:00:00+00:00",
        f"x25519 {base64.urlsafe_b64encode(bytes(range(32))).decode()} 2026-11-01T08:00:00+00:00",  # another key
        f"x25519 {base64.urlsafe_b64encode(bytes(range(32))).decode()} yesterday",
        "x25519 !!!! 2026-11-01T08:00:00+00:00",
    ],
    ids=["empty", "no key", "wrong length", "another key", "no time", "no base64"],
)
def test_public_key_wrong(keys: Path, line: str) -> None:
    path = keys / "public" / "vu-pikinini" / f"{create_key_pair(keys, 'vu-pikinini').key_id}.pub"
    path.chmod(0o600)
    path.write_text(line)
    with pytest.raises(KeyFileError, match="copy it again from where it was made") as raised:
        load_public_keys(keys, ["vu-pikinini"])
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.rule("X-10")
def test_a_private_key_that_web_could_read_is_found_wherever_it_lies(keys: Path) -> None:
    public = create_key_pair(keys, "vu-pikinini")
    refuse_private_keys(keys / "public")
    assert [path.name for path in readable_private_keys(keys)] == [f"{public.key_id}.key"]
    astray = keys / "public" / "vu-pikinini" / "copy.pub"
    astray.write_bytes(PrivateKey.generate().pem())
    assert list(readable_private_keys(keys / "public")) == [astray]
    with pytest.raises(KeyFileError) as raised:
        refuse_private_keys(keys / "public")
    assert str(raised.value) == (
        f"web must not have access to private keys, and can read {astray}. Leave that key where it is: set "
        "TOKAUT_WEB_KEYS to a folder with public keys only, which `tokaut keys publish` makes (docs/install.md, "
        "Setting up)"
    )


@pytest.mark.rule("X-10")
def test_publishing_copies_public_keys_alone_and_again_only_what_is_new(keys: Path, tmp_path: Path) -> None:
    first = create_key_pair(keys, "vu-pikinini")
    (keys / "public" / "_mode").write_text("live\n")
    web = tmp_path / "web-keys"
    assert publish_public_keys(keys, web) == 2
    assert list(readable_private_keys(web)) == []
    assert load_public_keys(web, ["vu-pikinini"])["vu-pikinini"].key_id == first.key_id
    assert (web / "public" / "_mode").read_text() == "live\n"
    assert publish_public_keys(keys, web) == 0
    second = create_key_pair(keys, "vu-pikinini")
    assert publish_public_keys(keys, web) == 1
    assert load_public_keys(web, ["vu-pikinini"])["vu-pikinini"].key_id == second.key_id


@pytest.mark.parametrize("to", [".", "private", "private/web"])
def test_publishing_into_the_folder_of_private_keys_is_refused(keys: Path, to: str) -> None:
    create_key_pair(keys, "vu-pikinini")
    with pytest.raises(KeyFileError, match="is the folder of the private keys"):
        publish_public_keys(keys, keys / to)


def test_a_private_key_among_the_public_ones_is_not_published(keys: Path, tmp_path: Path) -> None:
    create_key_pair(keys, "vu-pikinini")
    (keys / "public" / "vu-pikinini" / "copy.pub").write_bytes(PrivateKey.generate().pem())
    with pytest.raises(KeyFileError, match=r"copy\.pub is a private key among the public ones"):
        publish_public_keys(keys, tmp_path / "web-keys")


# A missing or unusable private key does not stop the reports sealed to other keys


def test_a_missing_private_key_is_poison_for_its_hotline_alone_until_it_is_back(keys: Path) -> None:
    gone, here = create_key_pair(keys, "vu-pikinini"), create_key_pair(keys, "vu-police")
    path = keys / "private" / "vu-pikinini" / f"{gone.key_id}.key"
    aside = path.rename(keys / "aside")
    private = load_private_keys(keys, ["vu-pikinini", "vu-police"])
    assert private.missing() == ("vu-pikinini",)
    assert private.of("vu-police", here.key_id).key_id == here.key_id
    with pytest.raises(DecryptError, match="not on this machine"):
        private.of("vu-pikinini", gone.key_id)
    aside.rename(path)
    assert private.of("vu-pikinini", gone.key_id).key_id == gone.key_id


def _damage(keys: Path, public: PublicKey, how: str) -> Path:
    """Make a private key unusable, and return its path."""
    path = keys / "private" / "vu-pikinini" / f"{public.key_id}.key"
    path.chmod(0o600)
    if how == "no key":
        path.write_bytes(b"no key")
    elif how == "another key":
        path.write_bytes(PrivateKey.generate().pem())
    else:
        path.chmod(int(how, 8))
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no key", "{path} is not a private key in PKCS#8; put it back from its copy"),
        ("another key", "{path} holds another key than its name says; put it back from its copy"),
        ("0440", "{path} can be read by other accounts; chmod 0400 {path}"),
        ("0404", "{path} can be read by other accounts; chmod 0400 {path}"),
        ("0644", "{path} can be read by other accounts; chmod 0400 {path}"),
    ],
)
def test_an_older_private_key_that_cannot_be_used_is_named_and_the_others_open(keys: Path, how: str, said: str) -> None:
    old, new = make(keys, "vu-pikinini", 1), make(keys, "vu-pikinini", 2)
    path = _damage(keys, old, how)
    private = load_private_keys(keys, ["vu-pikinini"])
    assert private.faults == {"vu-pikinini": [said.format(path=path)]}
    assert private.of("vu-pikinini", new.key_id).key_id == new.key_id
    assert private.missing() == ()
    with pytest.raises(DecryptError, match="cannot be used"):
        private.of("vu-pikinini", old.key_id)


def test_a_folder_of_private_keys_of_another_account_is_named_and_stops_nobody(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hotline in ("vu-pikinini", "vu-police"):
        make(keys, hotline, 1)
    closed, scandir = keys / "private/vu-pikinini", os.scandir

    def refused(path: str | Path) -> object:
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)  # the tests may run as root
    monkeypatch.setattr(os, "listdir", lambda path: [entry.name for entry in refused(path)])  # type: ignore[attr-defined]
    private = load_private_keys(keys, ["vu-pikinini", "vu-police"])
    assert f"{closed} cannot be read (Permission denied)" in private.faults["vu-pikinini"][0]
    assert private.missing() == ("vu-pikinini",)


def test_a_current_private_key_that_cannot_be_used_counts_as_missing(keys: Path) -> None:
    make(keys, "vu-pikinini", 1)
    _damage(keys, make(keys, "vu-pikinini", 2), "no key")
    assert load_private_keys(keys, ["vu-pikinini"]).missing() == ("vu-pikinini",)


# Destroying a key


def test_a_destruction_that_is_stopped_leaves_no_damaged_key_and_can_be_repeated(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, _ = make(keys, "vu-pikinini", 1), make(keys, "vu-pikinini", 2)

    class Killed(BaseException):
        pass

    def killed(_: int) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(os, "fsync", killed)
        destroy_private_key(keys, "vu-pikinini", old.key_id)
    folder = keys / "private" / "vu-pikinini"
    assert load_private_keys(keys, ["vu-pikinini"]).faults == {}
    assert not (folder / f"{old.key_id}.key").exists()
    destroy_private_key(keys, "vu-pikinini", old.key_id)
    assert [path.name for path in folder.iterdir() if old.key_id in path.name] == []
    with pytest.raises(KeyFileError, match="cannot be destroyed"):
        destroy_private_key(keys, "vu-pikinini", old.key_id)


def test_a_key_made_after_the_start_is_found(keys: Path) -> None:
    create_key_pair(keys, "vu-pikinini")
    private = load_private_keys(keys, ["vu-pikinini"])
    later = create_key_pair(keys, "vu-pikinini")
    assert private.of("vu-pikinini", later.key_id).key_id == later.key_id


def test_only_the_hotlines_of_this_process_are_opened(keys: Path) -> None:
    public = create_key_pair(keys, "vu-police")
    private = load_private_keys(keys, ["vu-pikinini"])
    for hotline, key_id in (("vu-police", public.key_id), ("vu-pikinini", "../../../etc/pass")):
        with pytest.raises(DecryptError, match="this process does not use this key"):
            private.of(hotline, key_id)


# Recovery sheets


def test_a_key_put_back_alone_becomes_current_but_never_beside_another(keys: Path, tmp_path: Path) -> None:
    lost = PrivateKey.generate()
    restore_private_key(keys, "vu-pikinini", lost)
    assert load_public_keys(keys, ["vu-pikinini"])["vu-pikinini"].key_id == lost.key_id
    current = create_key_pair(tmp_path / "other", "vu-pikinini")
    restore_private_key(tmp_path / "other", "vu-pikinini", lost)
    assert load_public_keys(tmp_path / "other", ["vu-pikinini"])["vu-pikinini"].key_id == current.key_id
    assert load_private_keys(tmp_path / "other", ["vu-pikinini"]).of("vu-pikinini", lost.key_id).key_id == lost.key_id


def test_a_key_is_never_written_over(keys: Path) -> None:
    private = PrivateKey.generate()
    restore_private_key(keys, "vu-pikinini", private)
    with pytest.raises(KeyFileError, match="is there already"):
        restore_private_key(keys, "vu-pikinini", private)


def test_a_key_for_which_there_is_no_room_leaves_no_part_of_it(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left on device"):
        create_key_pair(keys, "vu-pikinini")
    assert list((keys / "private" / "vu-pikinini").iterdir()) == []
