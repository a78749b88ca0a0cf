"""A machine with a real systemd, for the units: this machine's files under an overlay, booted by systemd-nspawn.

Run as `python -m tests.deploy.machine FOLDER TRIAL` in its own mount namespace. Nothing inside is kept: the overlay is
in memory. FOLDER/found.json has the results of the module `tests.deploy.TRIAL`, and FOLDER/said its output.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DEPLOY = CHECKOUT / "docs" / "deploy"
TRIAL = """
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
After=systemd-journald.service

[Service]
Type=oneshot
WorkingDirectory=/opt/tokaut
ExecStart={python} -m tests.deploy.{trial}
StandardOutput=append:/trial.said
StandardError=append:/trial.said
TimeoutStartSec=300
ExecStopPost=/usr/bin/systemctl --force --force poweroff
"""
# Only here, and only if Python is in a home folder, which the units close.
PYTHON_IN_A_HOME = "[Service]\nProtectHome=no\n"


def build(root: Path, trial: str) -> None:
    """Copy the shipped files to the places that docs/operating/deploy.md names."""
    units = root / "etc/systemd/system"
    units.mkdir(parents=True, exist_ok=True)
    for path in DEPLOY.glob("tokaut*"):
        shutil.copy(path, units)
        if path.suffix == ".service" and Path(sys.base_prefix).parts[1] in ("root", "home"):
            drop_in = units / f"{path.name}.d"
            drop_in.mkdir()
            (drop_in / "python.conf").write_text(PYTHON_IN_A_HOME)
    for name in ("sysusers", "tmpfiles"):
        folder = root / f"etc/{name}.d"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEPLOY / f"{name}.conf", folder / "tokaut.conf")
    for path in (*Path(sys.base_prefix).parents, *CHECKOUT.parents):  # only in the overlay
        within = root / path.relative_to("/")
        within.chmod(within.stat().st_mode | 0o011)
    (units / "trial.service").write_text(TRIAL.format(python=sys.executable, trial=trial))
    (root / "opt/tokaut").mkdir(parents=True, exist_ok=True)


def overlay(memory: Path) -> Path:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(memory)], check=True)
    for name in ("up", "work", "root"):
        (memory / name).mkdir()
    layers = f"lowerdir=/,upperdir={memory}/up,workdir={memory}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(memory / "root")], check=True)
    return memory / "root"


def boot(root: Path) -> None:
    command = ["systemd-nspawn", "--register=no", "--keep-unit", "-D", str(root), "-M", "tokaut-trial"]
    command += ["--link-journal=no", "--private-network", "--console=pipe", f"--bind-ro={CHECKOUT}:/opt/tokaut"]
    command += ["--boot", "systemd.unit=trial.service"]
    environment = {**os.environ, "UNIFIED_CGROUP_HIERARCHY": "1", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, timeout=330, check=False)


def main(folder: Path, trial: str) -> None:
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    memory = folder / "memory"
    memory.mkdir()
    root = overlay(memory)
    try:
        build(root, trial)
        boot(root)
    finally:
        for name, kept in (("trial.said", "said"), ("found.json", "found.json")):
            if (root / name).exists():
                shutil.copy(root / name, folder / kept)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
