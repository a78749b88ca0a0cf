"""Web does not start in live mode with numbers or partner cards that nobody has confirmed."""

from __future__ import annotations

import pytest

from gateway.app import check


@pytest.mark.rule("S-31")
@pytest.mark.rule("S-34")
def test_live_starts_with_no_number_that_nobody_confirmed(live: dict[str, str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        check(live)
    lines = str(stopped.value).splitlines()
    assert any("111" in line and "verified_on" in line for line in lines)
    assert any("vu-pikinini" in line and "partner card" in line for line in lines)
    assert all(line.startswith("vu.toml: ") for line in lines)
