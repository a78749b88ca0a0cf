"""A replaced key of a hotline is noticed, and web sends SMS only in reply."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from reports.crypto.key_files import SENDER_KEY, create_key_pair
from tests.house.files import dotted, modules
from tests.reports.sample import VU
from tests.reports.sample_countries import card
from tokaut.checks import installation


@pytest.mark.rule("X-13")
def test_a_key_that_is_not_the_one_agreed_on_is_named(tmp_path: Path) -> None:
    """The key id is confirmed by telephone and is in the country file, which is not in the keys' folder."""
    agreed = {name: create_key_pair(tmp_path / "agreed", name).key_id for name in VU.hotlines}
    country = VU
    for name, key_id in agreed.items():
        country = card(country, name, key_id=key_id)
    create_key_pair(tmp_path / "agreed", SENDER_KEY)
    assert list(installation.key_faults(tmp_path / "agreed", "demo", country.hotlines.values())) == []
    for name in (*VU.hotlines, SENDER_KEY):
        create_key_pair(tmp_path / "swapped", name)
    said = list(installation.key_faults(tmp_path / "swapped", "demo", country.hotlines.values()))
    assert len(said) == len(agreed)
    assert all(any(key_id in line for line in said) for key_id in agreed.values())


@pytest.mark.rule("X-29")
@pytest.mark.rule("S-03")
def test_web_texts_only_in_reply() -> None:
    """Web sends SMS by one function, which takes the message that it replies to.

    Workers text the duty phone and on-call; the answer notice, for reporters who agreed to one, has its own tests.
    """
    callers = {
        str(name)
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "enqueue_outgoing"
    }
    assert callers == {"gateway/sms.py", "workers/sms/notices.py"}
    [send] = [
        node
        for name, tree in modules("gateway")
        if str(name) == "gateway/sms.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "send"
    ]
    assert [argument.arg for argument in send.args.args][:2] == ["self", "inbound"]
