"""A certificate for the hotline of `tokaut bench`, of an authority made for this run; by the program openssl."""

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
    """`authority` is whom to trust; `server` holds certificate and key for 127.0.0.1."""

    authority: Path
    server: Path


def make_certificate(folder: Path) -> Certificate | None:
    """None where there is no openssl of version 3 or newer."""
    program = shutil.which("openssl")
    if program is None:
        return None
    made = Certificate(folder / "authority.pem", folder / "server.pem")
    settings = folder / "openssl.cnf"
    settings.write_text(OPENSSL_CONFIG)
    signed = ("-CA", str(made.authority), "-CAkey", str(made.authority))
    for path, extensions, by in ((made.authority, "authority", ()), (made.server, "server", signed)):
        asked = [program, "req", "-x509", "-days", "2", "-config", str(settings), "-extensions", extensions]
        asked += [*KEY_OPTIONS, "-keyout", f"{path}.key", *by, "-out", str(path)]
        done = subprocess.run(asked, capture_output=True, check=False)
        if done.returncode:
            return None
        path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
        path.chmod(0o600)
    return made
