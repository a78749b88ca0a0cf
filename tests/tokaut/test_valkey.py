import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.support.valkey import Valkey
from tests.support.wait import until
from tokaut.local_stack import valkey


@pytest.mark.slow
def test_what_was_written_survives_a_kill(own_valkey: Valkey) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        client.set("kept", "1")
    own_valkey.kill()
    own_valkey.start()
    with redis.Redis.from_url(own_valkey.url) as client:
        assert client.get("kept") == b"1"


@pytest.mark.slow
def test_it_listens_on_no_network_and_throws_nothing_out(own_valkey: Valkey) -> None:
    with redis.Redis.from_url(own_valkey.url) as client:
        settings = client.config_get("port", "appendonly", "appendfsync", "maxmemory-policy")
    assert settings == {"port": "0", "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_dies_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    starter = """
import subprocess, sys, pathlib
from tokaut.local_stack import parent_death, valkey
command = parent_death.die_with_parent(valkey.server_command(pathlib.Path(sys.argv[1])))
child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""
    with subprocess.Popen([sys.executable, "-c", starter, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        until(lambda: valkey.is_up(tmp_path), "Valkey does not start")
        parent.kill()
    until(lambda: not Path(f"/proc/{server}").exists(), "an orphan is left")


def test_a_folder_with_a_long_name_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    assert valkey.socket_path(long) == valkey.socket_path(long)
    assert len(os.fsencode(valkey.socket_path(long))) <= valkey.MAX_SOCKET_PATH
    assert valkey.socket_path(long) != valkey.socket_path(tmp_path / ("y" * 120))


def test_without_the_wheel_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(valkey, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(valkey.ValkeyMissing, match="REDIS_URL"):
        valkey.server_program()
