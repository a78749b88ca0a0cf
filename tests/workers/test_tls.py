"""TLS: a server that cannot prove its name gets no data."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reports.countries.hotline import Hotline as Listed
from runtime.settings import Mode, load_settings
from tests.workers.fake_http_server import FakeHttpServer
from tests.workers.processes import SECRET
from workers.delivery.outcomes import Delivered, DeliveryRequest, Unavailable
from workers.delivery.registry import HotlineDependencies
from workers.hotlines.webhook import Settings, build
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient, HttpTimeouts, NoResponse

pytestmark = pytest.mark.slow

NAME = "hotline.example"
NOW = datetime.now(UTC)
LIMITS = HttpTimeouts(connect=2, read=2, total=5, drain=0.3)
X = Listed(id="x", name="X", screen_name="X", kind="regional", grade="unverified", delivery="webhook")


def certificate(name: str, until: datetime) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


def server(tmp_path: Path, name: str = NAME, days: int = 30, newest: ssl.TLSVersion | None = None) -> FakeHttpServer:
    public, private = certificate(name, NOW + timedelta(days=days))
    (tmp_path / "ca.pem").write_bytes(public)
    (tmp_path / "both.pem").write_bytes(public + private)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "both.pem")
    if newest:
        tls.maximum_version = newest
    return FakeHttpServer(tls=tls)


def call(tmp_path: Path, hotline: FakeHttpServer, *, trusted: bool = True, body: bytes = b"the words") -> int:
    listed = f"{NAME}:{hotline.port}"
    target = parse_target(f"https://{listed}/reports", [listed], live=True)
    ca_file = tmp_path / "ca.pem" if trusted else None
    client = HttpClient(ca_file=ca_file, resolve=lambda *_: ["127.0.0.1"], limits=LIMITS)
    return client.post(target, body, {}).status


def test_the_names_certificate_is_asked_for_though_the_line_goes_to_an_address(tmp_path: Path) -> None:
    with server(tmp_path) as hotline:
        assert call(tmp_path, hotline) == 200
    assert hotline.requests[0].headers["host"] == f"{NAME}:{hotline.port}"


@pytest.mark.rule("F25")
@pytest.mark.rule("A-41")
@pytest.mark.rule("A-05")
@pytest.mark.parametrize(
    ("name", "days", "trusted"),
    [
        pytest.param(NAME, -1, True, id="expired"),
        pytest.param("other.example", 30, True, id="another name"),
        pytest.param(NAME, 30, False, id="nobody vouches for it"),
    ],
)
def test_a_certificate_that_does_not_hold_gets_nothing(tmp_path: Path, name: str, days: int, trusted: bool) -> None:
    with server(tmp_path, name, days) as hotline:
        with pytest.raises(NoResponse) as caught:
            call(tmp_path, hotline, trusted=trusted)
        assert hotline.requests == []
    assert (caught.value.reason, caught.value.sent) == ("tls", False)


@pytest.mark.rule("A-41")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_an_old_tls_gets_nothing(tmp_path: Path) -> None:
    with server(tmp_path, newest=ssl.TLSVersion.TLSv1_1) as hotline, pytest.raises(NoResponse):
        call(tmp_path, hotline)
    assert hotline.requests == []


def test_a_plain_server_where_tls_was_meant_gets_nothing(tmp_path: Path) -> None:
    with server(tmp_path):  # writes the trusted certificate
        pass
    with FakeHttpServer() as hotline, pytest.raises(NoResponse):
        call(tmp_path, hotline)
    assert hotline.requests == []


def test_a_handshake_that_hangs_has_sent_nothing(tmp_path: Path) -> None:
    """So an SMS, which is sent once only, may be tried again."""
    with server(tmp_path):  # writes the trusted certificate
        pass
    with FakeHttpServer() as hotline, pytest.raises(NoResponse) as caught:  # waits for the end of a request
        call(tmp_path, hotline)
    assert (caught.value.reason, caught.value.sent) == ("timeout", False)
    assert hotline.connections == 1


def test_a_handshake_that_breaks_off_has_sent_nothing(tmp_path: Path) -> None:
    with server(tmp_path):
        pass
    with FakeHttpServer() as hotline:
        hotline.refuses = True
        with pytest.raises(NoResponse) as caught:
            call(tmp_path, hotline)
    assert not caught.value.sent
    assert hotline.connections == 1


@pytest.mark.parametrize("hello", [True, False])
def test_a_connection_that_closes_within_the_handshake_says_nothing_of_a_certificate(
    tmp_path: Path, *, hello: bool
) -> None:
    with server(tmp_path):
        pass
    with FakeHttpServer() as hotline:
        hotline.hangs_up = "after a read" if hello else "at once"
        with pytest.raises(NoResponse) as caught:
            call(tmp_path, hotline)
    assert (caught.value.reason, caught.value.sent) == ("reset", False)


def test_a_server_that_closes_within_the_request_says_nothing_of_a_certificate(tmp_path: Path) -> None:
    with server(tmp_path) as hotline:
        hotline.reads = 1000
        for _ in range(5):  # which error comes is chance
            with pytest.raises(NoResponse) as caught:
                call(tmp_path, hotline, body=bytes(3_000_000))
            assert (caught.value.reason, caught.value.sent) == ("reset", True)


@pytest.mark.parametrize("own", [True, False])
def test_a_hotlines_own_authority_vouches_for_it_alone(tmp_path: Path, own: bool) -> None:
    with server(tmp_path, "localhost") as hotline:
        listed = f"localhost:{hotline.port}"
        environ = {"HOTLINE_X_URL": f"https://{listed}", "HOTLINE_X_SECRET": SECRET, "HOTLINE_X_PRIVATE": listed}
        environ |= {"HOTLINE_X_CA_FILE": str(tmp_path / "ca.pem")} if own else {}
        settings = load_settings(Settings, environ, prefix="HOTLINE_X_")
        parcel = DeliveryRequest("id", "created", "x", b"{}", 1, "P1")
        outcome = build(settings, HotlineDependencies(Mode.TRAINING, X)).deliver(parcel)
        assert len(hotline.requests) == own
    assert outcome == (Delivered(200) if own else Unavailable("tls"))
