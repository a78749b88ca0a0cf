"""The benchmark's hotline uses TLS: its clients trust one authority, and one name."""

import shutil
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.ports import free_port
from tokaut.bench import environment
from tokaut.bench.environment import Certificate
from tokaut.local_stack.hotline_server import DemoHotlineServer

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here: the bench does without")


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    found = environment.make_certificate(tmp_path)
    assert found is not None, "openssl before 3.0"
    return found


@pytest.fixture
def port(tmp_path: Path, made: Certificate) -> Iterator[int]:
    hotline = DemoHotlineServer(free_port(), {}, tmp_path / "received.jsonl", made.server)
    threading.Thread(target=hotline.serve_forever, args=(0.01,)).start()
    yield hotline.server_address[1]
    hotline.shutdown()
    hotline.server_close()
    hotline.received.close()


@needs_openssl
@pytest.mark.slow
def test_a_caller_who_trusts_the_authority_is_answered(made: Certificate, port: int) -> None:
    answer = requests.post(f"https://127.0.0.1:{port}/nobody", data=b"", timeout=5, verify=str(made.authority))
    assert answer.status_code == 404


@needs_openssl
@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_nobody_else_and_no_other_name_is(port: int, made: Certificate, host: str) -> None:
    trusted = True if host == "127.0.0.1" else str(made.authority)
    with pytest.raises(requests.exceptions.SSLError):
        requests.post(f"https://{host}:{port}/nobody", data=b"", timeout=5, verify=trusted)


@needs_openssl
def test_the_certificate_holds_by_the_strictest_reading(made: Certificate) -> None:
    context = ssl.create_default_context(cafile=made.authority)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    assert context.cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize("openssl", ["#!/bin/sh\nexit 1\n", None])
def test_without_a_good_openssl_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openssl: str | None
) -> None:
    if openssl:
        (tmp_path / "openssl").write_text(openssl)
        (tmp_path / "openssl").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.make_certificate(tmp_path) is None
