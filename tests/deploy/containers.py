"""compose.yaml, run by podman and podman-compose: images built on a base of Debian's packages, and all containers.

No registry of images is used: mmdebstrap makes the base, which is named like Debian's slim image. If no systemd runs
podman's timers, this module runs the health checks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.house.files import ROOT

BASE = "debian:trixie-slim"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
PROGRAMS = ("podman", "podman-compose", "mmdebstrap", "runc")
PROJECT = "tokaut-trial"
LEFT_OUT = ("man", "info", "locale", "lintian")  # of /usr/share, as in the slim image
# Limits that an account without CAP_SYS_RESOURCE may set; runc, because it supports both kinds of control groups.
CONF = """
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
[engine]
runtime = "runc"
"""
# podman 5.4 does not start a container if `--requires` names one that has exited; compose has already waited for it.
PODMAN = """#!/usr/bin/env python3
import os, sys
os.execv({podman!r}, ["podman", *(word for word in sys.argv[1:] if not word.startswith("--requires="))])
"""


class Containers:
    """The project, its images and its containers. `folder`: for podman's own files."""

    def __init__(self, folder: Path) -> None:
        if os.getuid() != 0 or (missing := [name for name in PROGRAMS if shutil.which(name) is None]):
            pytest.skip(f"not root, or programs are missing: apt-get install {' '.join(missing)}")
        self.folder = folder
        (folder / "containers.conf").write_text(CONF)
        self._podman = folder / "podman"
        self._podman.write_text(PODMAN.format(podman=shutil.which("podman")))
        self._podman.chmod(0o755)
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
            "DISABLE_HC_SYSTEMD": "true",
            "LISTEN": "127.0.0.1:18443",
        }
        self._stopping = threading.Event()

    def run(self, *command: str, seconds: float = 600) -> str:
        """Run a command and return its output. Fails if the command fails."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def build(self) -> None:
        if subprocess.run(["podman", "image", "exists", BASE], env=self.environment, check=False).returncode:
            self._make_base()
        plain = ["podman", "build", "--isolation", "chroot", "--layers"]
        plain += ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=20000:20000"]
        self.run(*plain, f"--secret=id=authorities,src={AUTHORITIES}", "-t", "localhost/tokaut:latest", ".")
        for target in ("postgresql", "valkey", "nginx"):
            of = ["-f", "docs/deploy/container/services.Dockerfile", "--target", target]
            self.run(*plain, *of, "-t", f"localhost/tokaut-{target}:latest", ".")

    def _make_base(self) -> None:
        tar = self.folder / "base.tar"
        left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        self.run("mmdebstrap", "--variant=minbase", *left_out, "trixie", str(tar))
        self.run("podman", "import", "--quiet", str(tar), BASE)
        tar.unlink()

    def bytes_of_the_image(self) -> int:
        return int(self.run("podman", "image", "inspect", "--format", "{{.Size}}", "localhost/tokaut:latest"))

    def name(self, service: str) -> str:
        return f"{PROJECT}_{service}_1"

    def inside(self, service: str, *command: str) -> str:
        return self.run("podman", "exec", self.name(service), *command)

    def compose(self, *command: str) -> str:
        return self.run("podman-compose", "--podman-path", str(self._podman), "-p", PROJECT, *command)

    def log(self, service: str) -> str:
        done = subprocess.run(
            ["podman", "logs", self.name(service)], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    def status(self, service: str) -> str:
        return self.run("podman", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", self.name(service))

    @contextmanager
    def up(self) -> Iterator[None]:
        checks = threading.Thread(target=self._check_health)
        checks.start()
        try:
            self.compose("up", "-d")
            yield
        finally:
            self._stopping.set()
            checks.join()
            with suppress(AssertionError):
                self.compose("down", "--volumes")

    def _check_health(self) -> None:
        while not self._stopping.wait(1):
            command = ["podman", "ps", "--filter", f"name=^{PROJECT}_", "--format", "{{.Names}}"]
            names = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
            for name in names.stdout.split():
                command = ["podman", "healthcheck", "run", name]
                subprocess.run(command, env=self.environment, capture_output=True, check=False)
