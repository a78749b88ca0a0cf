import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wait import until
from tokaut.local_stack.processes import RUN_MARK
from tokaut.local_stack.settings import DemoFolder, FolderInUse


def test_it_is_empty_at_the_start_of_each_demo(tmp_path: Path) -> None:
    with DemoFolder(tmp_path) as folder:
        (folder.inside / "tokaut.db").touch()
        folder.received.touch()
    with DemoFolder(tmp_path) as folder:
        assert not (folder.inside / "tokaut.db").exists()
        assert not folder.received.exists()
        assert stat.S_IMODE(folder.inside.stat().st_mode) == 0o700


def test_what_it_tells_is_for_this_account_and_goes_when_it_stops(tmp_path: Path) -> None:
    told = tmp_path / "demo.json"
    with DemoFolder(tmp_path) as folder:
        folder.write({"web": "http://127.0.0.1:8000"})
        assert json.loads(told.read_text()) == {"web": "http://127.0.0.1:8000"}
        assert stat.S_IMODE(told.stat().st_mode) == 0o600
    assert not told.exists()


def test_a_second_one_stops_and_leaves_the_first_alone(tmp_path: Path) -> None:
    with DemoFolder(tmp_path) as first:
        first.write({"web": "http://127.0.0.1:8000"})
        (first.inside / "tokaut.db").touch()
        wanted = r"A demo runs already \(http://127.0.0.1:8000\). Stop it, or set TOKAUT_DATA and PORT."
        with pytest.raises(FolderInUse, match=wanted), DemoFolder(tmp_path):
            pass
        assert (first.inside / "tokaut.db").exists()
        assert (tmp_path / "demo.json").exists()


def test_a_folder_that_no_demo_made_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "mine").touch()
    with pytest.raises(FolderInUse, match="was not made by a demo"), DemoFolder(tmp_path):
        pass
    assert (tmp_path / "demo" / "mine").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_a_killed_demo_left_running_is_ended_by_the_next(tmp_path: Path) -> None:
    with DemoFolder(tmp_path) as folder:
        run = folder.run
    with subprocess.Popen(["sleep", "600"], env={**os.environ, RUN_MARK: run}) as left:
        until(lambda: b"sleep" in Path(f"/proc/{left.pid}/cmdline").read_bytes(), "it does not start")
        with DemoFolder(tmp_path):
            assert left.wait(timeout=10) == -9
