"""Infrastructure that every process uses: settings, logs, metrics, Redis clients. It has no domain knowledge."""

import importlib
import sys

# redis-py imports OpenTelemetry wherever it is installed: 3 MB and 65 ms of each process, for metrics that nobody
# reads. None makes an import fail as if it were not installed, until `runtime.tracing` is told to trace. The packages
# of the processes import this package first.
sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]  # as the import system allows

# structlog imports rich if it is installed, to print logs in colour: 4 MB of each process, while our logs are JSON. The
# command line imports rich when it needs it.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # as above
    importlib.import_module("structlog")
    del sys.modules["rich"]
