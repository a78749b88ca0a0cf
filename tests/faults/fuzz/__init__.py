"""Random requests to every webhook: no error, no lost word, no content in a log, no growing memory."""
