"""Random requests to every webhook: no fault, no lost word, nothing of them in a log, no growing memory."""
