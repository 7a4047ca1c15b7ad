"""Ending a command from outside: Ctrl-C, SIGTERM and SIGHUP.

The first of them cleans up by unwinding the stack. A second Ctrl-C ends the process at once. What
the signals were set to before, such as being ignored under `nohup`, stays so.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # the last one is unknown to Windows
_BASE = 128  # what a shell adds to the number of the signal that ended a command


class Interruption:
    """Whether and by which signal a command was told to end.

    Attributes:
        number: The signal; None as long as there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def status(self) -> int:
        """The exit status of a command that a signal has ended; 130 after Ctrl-C."""
        return _BASE + (self.number or signal.SIGINT)

    @property
    def verb(self) -> str:
        """What has happened to the command."""
        if self.number in (None, signal.SIGINT):
            return "interrupted"
        return f"stopped by {signal.Signals(self.number or 0).name}"

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Closing a terminal sends SIGHUP several times, so only Ctrl-C ends a cleanup.
        """
        if self.number is None:
            self.number = number
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            os._exit(_BASE + number)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn the first signal in a block into `KeyboardInterrupt`, and give what was received."""
    interruption = Interruption()
    before = {}
    if threading.current_thread() is threading.main_thread():  # only it may set handlers
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, interruption.receive)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
