"""The page on Kannel: the code reads its settings, and its examples are those of the tests."""

from __future__ import annotations

import re

from gateway.channels import kannel as way_in
from runtime.settings import load_settings
from tests.docs.pages import ROOT, read
from tests.support.settings import settings_of
from workers.senders import kannel as way_out

PAGE = "docs/connect-kannel.md"
FILES = sorted((ROOT / "docs" / "kannel").glob("*.conf"))


def test_every_setting_has_its_place() -> None:
    known = {one.name for one in settings_of([way_in.Settings, way_out.Settings])}
    told = set(re.findall(r"\bKANNEL_[A-Z_]+\b", read(PAGE)))
    assert {name.removesuffix("_FILE") for name in told} == known


def test_every_door_is_named() -> None:
    channel = way_in.Channel(load_settings(way_in.Settings, {"KANNEL_TOKEN": "kX3v9QmT-b_27LwZp0RfYc"}))
    offered = "".join(path.read_text() for path in FILES) + read(PAGE)
    doors = re.findall(r"/hooks/kannel/(?:<token>|\{\{token\}\})/(\w+)", offered)
    assert set(doors) == set(channel.endpoints)


def test_every_file_is_offered_and_every_placeholder_explained() -> None:
    page = read(PAGE)
    for path in FILES:
        assert f"(kannel/{path.name})" in page
        for placeholder in re.findall(r"\{\{(\w+)\}\}", path.read_text()):
            kind = placeholder.partition("_")[0]
            assert f"{{{{{placeholder}}}}}" in page or f"{{{{{kind}_" in page, f"{path.name}: {placeholder}"


def test_nothing_that_is_offered_listens_to_the_world() -> None:
    for path in FILES:
        text = path.read_text()
        for name, value in re.findall(r"^(\S+-interface|\S*-allow-ip) = (.*)$", text, re.MULTILINE):
            assert value.strip('"') == "127.0.0.1", f"{path.name}: {name}"
        assert "log-level = 2" in text
        assert not re.search(r"^(global-sender|faked-sender|get-url|smsbox-id) =", text, re.MULTILINE)
