"""Random requests at every door: no fault, no lost word, nothing in a log, and memory that does not grow."""
