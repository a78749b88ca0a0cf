"""The secret in an address: an exact match, one or two valid secrets, and equal work for each wrong one."""

from __future__ import annotations

import pytest

from gateway.messaging.parsing import Tokens
from runtime.settings import Secret

ONE = "kX3v9QmT-b_27LwZp0RfYc"
TWO = "hN8sD1gJ4uE6aKoVxC5iBq"


@pytest.mark.parametrize("valid", [(ONE,), (ONE, TWO), (TWO, ONE)])
def test_a_valid_token_opens(valid: tuple[str, ...]) -> None:
    assert Tokens(Secret(valid)).accept(ONE)
    assert Tokens(Secret(valid)).accept(TWO) is (TWO in valid)


@pytest.mark.rule("X-05")
@pytest.mark.parametrize(
    "token",
    [
        "",
        ONE[:-1],
        ONE + "x",
        ONE.lower(),
        ONE.upper(),
        f" {ONE}",
        f"{ONE},{TWO}",
        ONE[:-1] + "d",
        "\ud83d",
        "é" * 8000,
    ],
)
def test_anything_else_does_not(token: str) -> None:
    assert not Tokens(Secret((ONE, TWO))).accept(token)
