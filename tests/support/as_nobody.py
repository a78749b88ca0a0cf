"""Drop root, then run a program that ends with PARENT: `python -m tests.support.as_nobody PARENT PROGRAM [ARG…]`."""

from __future__ import annotations

import os
import pwd
import sys

from tokaut.local_stack import parent_death

if __name__ == "__main__":
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    os.umask(0o077)
    os.chdir("/")
    parent_death.run_bound(int(sys.argv[1]), sys.argv[2:])
