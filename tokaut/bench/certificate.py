"""A TLS certificate for the hotline of `tokaut bench`, signed by an authority of this run. Needs openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

OPENSSL_CONFIG = """
[req]
distinguished_name = nobody
prompt = no
[nobody]
CN = made for one run
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
KEY_OPTIONS = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    """authority: the certificate to trust. server: certificate and key for 127.0.0.1 in one file."""

    authority: Path
    server: Path


def make_certificate(folder: Path) -> Certificate | None:
    """Create both files in `folder`. Returns None without openssl 3 or newer."""
    program = shutil.which("openssl")
    if program is None:
        return None
    certificate = Certificate(folder / "authority.pem", folder / "server.pem")
    settings = folder / "openssl.cnf"
    settings.write_text(OPENSSL_CONFIG)
    signed_by_authority = ("-CA", str(certificate.authority), "-CAkey", str(certificate.authority))
    for path, extensions, signer in (
        (certificate.authority, "authority", ()),
        (certificate.server, "server", signed_by_authority),
    ):
        command = [program, "req", "-x509", "-days", "2", "-config", str(settings), "-extensions", extensions]
        command += [*KEY_OPTIONS, "-keyout", f"{path}.key", *signer, "-out", str(path)]
        result = subprocess.run(command, capture_output=True, check=False)
        if result.returncode:
            return None
        path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
        path.chmod(0o600)
    return certificate
