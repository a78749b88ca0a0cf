"""Tokaut made wrong on purpose, one function each. The experiment that does not see it is too weak.

The product has no switch for them: `python -m tests.faults.mutants NAME MODULE [ARGUMENT…]` imports it, replaces one
function and runs the usual entry point.
"""

MUST_SHOW = {
    "ack_before_commit": "lost",
    "mark_before_send": "lost",
    "no_unique_key": "twice",
    "new_key_per_attempt": "twice",
}
