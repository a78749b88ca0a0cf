"""Run MODULE with one function replaced: `python -m tests.faults.mutants NAME MODULE [ARGUMENT…]`."""

from __future__ import annotations

import importlib
import runpy
import sys

from tests.faults.mutants import EXPECTED_FINDINGS

if __name__ == "__main__":
    name, module, *arguments = sys.argv[1:]
    if name not in EXPECTED_FINDINGS:
        sys.exit(f"There is no mutant {name}: {', '.join(EXPECTED_FINDINGS)}")
    importlib.import_module(f"tests.faults.mutants.{name}").apply()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
