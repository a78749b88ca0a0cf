"""Redis settings: one address, or Sentinels, each with users; a wrong setting gives one line."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from runtime.settings import CommonSettings, SettingError, load_settings

SENTINELS = {"REDIS_SENTINELS": "10.0.0.1:26379, [fd00::2]:26379", "REDIS_MASTER": "Tokaut"}
TLS = {"REDIS_URL": "rediss://web:secret@valkey.example:6379"}


def test_one_address_is_for_everything() -> None:
    common = load_settings(CommonSettings, {"REDIS_URL": "redis://web:p%2Fw@10.0.0.1:6379/2"})
    assert common.queue_redis == common.session_redis
    assert (common.session_redis.username, common.session_redis.password) == ("web", "p/w")
    assert not common.session_redis.is_tls


def test_the_queue_may_have_a_user_of_its_own() -> None:
    common = load_settings(CommonSettings, {"REDIS_URL": "redis://web:1@h", "REDIS_QUEUE_URL": "redis://webq:2@h"})
    assert [common.session_redis.username, common.queue_redis.username] == ["web", "webq"]


def test_sentinels_name_the_server_and_the_address_says_the_user() -> None:
    common = load_settings(
        CommonSettings, {**SENTINELS, "REDIS_URL": "rediss://web:secret@tokaut/0", "REDIS_SENTINEL_PASSWORD": "pw"}
    )
    reach = common.session_redis
    assert reach.sentinels == (("10.0.0.1", 26379), ("fd00::2", 26379))
    assert (reach.master, reach.username, reach.password, reach.is_tls) == ("Tokaut", "web", "secret", True)
    assert "secret" not in repr(reach)
    assert "pw" not in repr(reach)


def test_sentinels_alone_are_enough_to_try_it() -> None:
    reach = load_settings(CommonSettings, SENTINELS).queue_redis
    assert (reach.master, reach.username, reach.is_tls) == ("Tokaut", None, False)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"REDIS_SENTINELS": "10.0.0.1"}, "REDIS_SENTINELS is a list of host:port with commas between them"),
        ({"REDIS_SENTINELS": "h:1"}, "REDIS_MASTER is not set, and REDIS_SENTINELS is; set it to the name"),
        ({"REDIS_MASTER": "tokaut"}, "REDIS_MASTER is set, and REDIS_SENTINELS is not; set that, or remove this one"),
        ({"REDIS_SENTINEL_PASSWORD": "x"}, "REDIS_SENTINEL_PASSWORD is set, and REDIS_SENTINELS is not"),
        ({**SENTINELS, "REDIS_URL": "redis://10.0.0.9:6379"}, "REDIS_URL names a server of its own, and the Sentinels"),
        ({**SENTINELS, "REDIS_URL": "redis://tokaut:6379"}, "REDIS_URL names a server of its own"),
        ({**SENTINELS, "REDIS_URL": "unix:///run/valkey.sock"}, "REDIS_URL names a server of its own"),
        (
            {**SENTINELS, "REDIS_URL": "redis://tokaut", "REDIS_QUEUE_URL": "redis://elsewhere"},
            "REDIS_QUEUE_URL names a server of its own",
        ),
        ({"REDIS_QUEUE_URL": "redis://h"}, "REDIS_URL is not set, and REDIS_QUEUE_URL is; set both, or REDIS_URL"),
        ({**TLS, "REDIS_CA_FILE": "/nowhere.pem"}, "REDIS_CA_FILE names /nowhere.pem, which cannot be read"),
        (
            {"REDIS_URL": "rediss://h?ssl_cert_reqs=none"},
            "REDIS_URL holds a query or a fragment; give only",
        ),
        ({"REDIS_URL": "redis://h?socket_timeout=60"}, "REDIS_URL holds a query or a fragment"),
        ({"REDIS_URL": "redis://u:a#b@h"}, "REDIS_URL"),
        ({"REDIS_URL": "http://h"}, "REDIS_URL is not a valid address"),
    ],
)
def test_a_wrong_combination_is_one_line(given: dict[str, str], line: str) -> None:
    with pytest.raises(SettingError) as stopped:
        load_settings(CommonSettings, given)
    assert str(stopped.value).startswith(line)
    assert "\n" not in str(stopped.value)


def test_a_file_without_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(SettingError, match="which holds no certificate in PEM form; correct the path"):
        load_settings(CommonSettings, {**TLS, "REDIS_CA_FILE": str(tmp_path / "ca.pem")})


def test_an_authority_without_tls(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="REDIS_CA_FILE is set, and no address begins with rediss://"):
        load_settings(CommonSettings, {"REDIS_URL": "redis://h", "REDIS_CA_FILE": certifi.where()})
