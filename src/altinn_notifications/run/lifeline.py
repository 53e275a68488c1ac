"""How a child of `run` learns that its parent is gone, whatever ended the parent.

The child's standard input is a pipe whose other end only the parent holds. The kernel closes it when the parent dies,
even by kill -9, and the child reads the end of the file. This works on every system that Python runs on.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Final

VARIABLE: Final = "ALTINN_NOTIFICATIONS_LIFELINE"
STANDARD_INPUT: Final = 0
GRACE_SECONDS: Final = 5.0


def hold() -> None:
    """Stop this process when its parent goes away, if a parent asked for that."""
    if VARIABLE in os.environ:
        threading.Thread(target=_watch, name="lifeline", daemon=True).start()


def _watch() -> None:
    while os.read(STANDARD_INPUT, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)  # what did not stop by itself
