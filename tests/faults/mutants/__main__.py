"""`python -m tests.faults.mutants NAME MODULE [ARGUMENT…]`: MODULE as it usually runs, but for one function."""

from __future__ import annotations

import importlib
import runpy
import sys

from tests.faults.mutants import MUST_SHOW

if __name__ == "__main__":
    name, module, *arguments = sys.argv[1:]
    if name not in MUST_SHOW:
        sys.exit(f"There is no mutant {name}: {', '.join(MUST_SHOW)}")
    importlib.import_module(f"tests.faults.mutants.{name}").apply()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
