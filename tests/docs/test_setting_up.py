"""*Setting up* of docs/operating.md, typed as it stands: `tokaut check` asks for nothing that the page does not set."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.pages import read

pytestmark = pytest.mark.slow
OTHERS = ("vu-womens-centre", "vu-police")


def blocks(folder: Path, redis_url: str) -> list[str]:
    """Making secrets, the settings, the commands; all within `folder`."""
    _, _, rest = read("docs/operating.md").partition("\n## Setting up\n")
    page, _, _ = rest.partition("\n## ")
    for old, new in (("/etc/tokaut", folder / "etc"), ("/var/lib/tokaut", folder / "data")):
        page = page.replace(old, str(new))
    page = re.sub(r"^REDIS_URL=.*$", f"REDIS_URL={redis_url}", page, flags=re.MULTILINE)
    return re.findall(r"^```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def typed(code: str, settings: Mapping[str, str]) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-uc", code], env={"PATH": path, **settings}, text=True, capture_output=True, check=False
    )
    return done.stdout + done.stderr


def test_what_the_page_sets_is_all_that_check_asks_for(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "etc").mkdir()
    secrets, settings, commands = blocks(tmp_path, redis_url)
    assert typed(secrets, {}) == ""
    given = dict(line.split("=", 1) for line in settings.splitlines())
    for other in OTHERS:  # "the same two for each other hotline of the country file"
        typed("umask 077\n" + secrets.replace("vu_pikinini", other).splitlines()[-1], {})
        name = other.upper().replace("-", "_")
        given |= {
            f"HOTLINE_{name}_URL": given["HOTLINE_VU_PIKININI_URL"],
            f"HOTLINE_{name}_SECRET_FILE": str(tmp_path / "etc" / other),
        }
        commands = re.sub(
            r"^(tokaut keys new) vu-pikinini( .*)$", rf"\g<0>\n\1 {other}\2", commands, flags=re.MULTILINE
        )
    said = typed(commands, given)
    wrong = re.findall(r"^  x (.*)$", said, re.MULTILINE)
    assert wrong == [], said
    assert "Nothing is wrong for training mode." in said
    assert "? No backup was ever made." in said
