"""What every process needs and no domain knows."""

import importlib
import sys

# redis-py imports OpenTelemetry wherever it is installed: 3 MB and 65 ms of each process, for metrics that nobody
# reads. None makes an import fail as if it were not installed, until `runtime.tracing` is told to trace. The packages
# of the processes import this package first.
sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]  # as the import system allows

# structlog imports rich where it is installed: 4 MB of each process, to print logs in colour, which are JSON here. The
# command line imports it when it needs it.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # as above
    importlib.import_module("structlog")
    del sys.modules["rich"]
