"""`python -m hexapla` and the `hexapla` command."""

import atexit
import gc
import os
import sys
from contextlib import suppress

_INTERRUPTED = 130
_ENDED = (_INTERRUPTED, 143, 129)  # by Ctrl-C, SIGTERM or SIGHUP, see hexapla.cli.signals


def entry() -> None:
    """Run the command line and exit with its status.

    An interrupted command has cleaned up. Unloading PyTorch and its like would take seconds more,
    so the process ends after what the libraries themselves have registered for its end.
    """
    status = 0

    def end_at_once() -> None:
        if status in _ENDED:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads it
                    stream.flush()
            os._exit(status)

    atexit.register(end_at_once)  # the first one registered is the last one called
    # The libraries make a million objects as they load, and none of them is garbage: at Python's
    # 700 objects a collection, collections are a fifth of the 12 s of CPU time that it takes.
    gc.set_threshold(10_000)
    try:
        from hexapla.cli.app import main  # half a second, in which Ctrl-C may come

        status = main()
    except KeyboardInterrupt:
        status = _INTERRUPTED
        with suppress(OSError, ValueError, AttributeError):
            print("hexapla: interrupted", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    entry()
