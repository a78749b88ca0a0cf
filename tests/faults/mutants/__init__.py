"""Mutants: Tokaut with one function replaced by a wrong one. An experiment that does not detect one is too weak.

The product has no switch for them: `python -m tests.faults.mutants NAME MODULE [ARGUMENT…]` imports it, replaces one
function and runs the usual entry point.
"""

EXPECTED_FINDINGS = {
    "ack_before_commit": "lost",
    "mark_before_send": "lost",
    "no_unique_key": "duplicates",
    "new_key_per_attempt": "duplicates",
}
