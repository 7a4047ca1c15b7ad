"""A running program that reads lines and writes lines: bytes in, lines out, with deadlines.

One loop feeds its input and drains its output and its errors, so that it never waits for us while
we wait for it, however much it writes. The program is the head of a session of its own: it has no
terminal to ask, and it ends with everything that it started.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, cast

from hexapla.errors import InputError
from hexapla.text.printable import printable

_BLOCK_BYTES = 1 << 16
_MAX_LINE_BYTES = 1 << 20  # of a translation; what is longer is no line of text
_MAX_ERRORS_BYTES = 4096  # of stderr that are kept
_MAX_QUOTED = 300  # characters of stderr in an error
_MOMENT_S = 1e-3
_END_TIMEOUT_S = 2.0  # a program whose input has ended unloads its model; then it is killed


class ProgramFault(Exception):
    """What a program did wrong, to follow its name.

    Args:
        problem: The problem of the sentences that it was given: "crash", "timeout", "misaligned".
        message: What happened.
    """

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


class LineProgram:
    """A program that was started.

    Args:
        arguments: The program and its arguments.
        n_threads: Threads of its numeric libraries. None leaves them alone.

    Raises:
        InputError: The system cannot start it.
    """

    def __init__(self, arguments: Sequence[str], n_threads: int | None = None) -> None:
        environment = None
        if n_threads is not None:
            environment = os.environ | {"OMP_NUM_THREADS": str(n_threads)}
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(
                f"{arguments[0]} cannot be started: {error.strerror}; a script needs a first line "
                "such as #!/usr/bin/env python3"
            ) from error
        self._selector = selectors.DefaultSelector()
        self._unsent = memoryview(b"")
        self._input_ends = self._output_ended = False
        self._lines: deque[bytes] = deque()
        self._begun = b""  # the line that has not ended
        self._errors = b""
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = cast(tuple[IO[bytes], ...], pipes)
        for file in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(file.fileno(), False)
        for file in (self._stdout, self._stderr):
            self._selector.register(file, selectors.EVENT_READ)
        # Also when it is forgotten, or this process ends.
        self._kill = weakref.finalize(self, _kill, self._process)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def has_more(self) -> bool:
        """Return whether it has already written what was not asked for yet."""
        with suppress(ProgramFault):
            self._step(time.monotonic() + _MOMENT_S)
        return bool(self._lines or self._begun)

    def send(self, lines: Sequence[bytes], *, last: bool = False) -> None:
        """Give it lines to read, in the background of `next_line`.

        Args:
            lines: Without their ends.
            last: End its input after them.
        """
        rest = bytes(self._unsent) + b"".join(line + b"\n" for line in lines)
        self._unsent = memoryview(rest)
        self._input_ends = self._input_ends or last
        if not self._stdin.closed:
            if not self._is_registered(self._stdin):
                self._selector.register(self._stdin, selectors.EVENT_WRITE)
            if not rest:
                self._write()

    def next_line(self, deadline: float) -> bytes | None:
        r"""Return its next line without `\n` and `\r\n`, or None after the last.

        What follows the last end of a line is a line too.

        Args:
            deadline: When to give up, by `time.monotonic`.

        Raises:
            ProgramFault: It has written no line by then, or one that is too long.
        """
        while not self._lines:
            if self._output_ended:
                if not self._begun:
                    return None
                self._lines.append(self._begun)
                self._begun = b""
                break
            self._step(deadline)
        return self._lines.popleft().removesuffix(b"\r")

    def ending(self) -> str:
        """Wait a moment for its end, and say how it ended."""
        deadline = time.monotonic() + _END_TIMEOUT_S
        with suppress(ProgramFault):
            while self._is_registered(self._stderr):
                self._step(deadline)
        try:
            status = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return "closed its output without ending"
        if status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with exit status {status}"

    @property
    def exit_status(self) -> int | None:
        """Its exit status; None while it runs, negative after a signal."""
        return self._process.poll()

    def quote_errors(self) -> str:
        """Return the last that it wrote to stderr, as the end of an error; empty if nothing."""
        said = " ".join(printable(self._errors.decode(errors="replace")).split())
        return f'; its stderr ends with "{said[-_MAX_QUOTED:]}"' if said else ""

    def close(self) -> None:
        """End its input, and kill it if it does not end soon."""
        self._selector.close()
        self._stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End it, and all that it started, at once."""
        self._kill()
        self._selector.close()

    def _step(self, deadline: float) -> None:
        """Wait until one of the pipes is ready, and read or write what it takes."""
        now = time.monotonic()
        ready = self._selector.select(deadline - now) if now < deadline else []
        if not ready:
            raise ProgramFault("timeout", "wrote no line")
        for key, _ in ready:
            if key.fileobj is self._stdin:
                self._write()
            elif key.fileobj is self._stdout:
                self._read_output()
            else:
                self._read_errors()

    def _write(self) -> None:
        try:
            if self._unsent:
                n_written = os.write(self._stdin.fileno(), self._unsent[:_BLOCK_BYTES])
                self._unsent = self._unsent[n_written:]
        except BlockingIOError:
            return
        except OSError:  # it has ended, or reads no more; its output will say what is missing
            self._unsent, self._input_ends = memoryview(b""), True
        if not self._unsent:
            if self._is_registered(self._stdin):
                self._selector.unregister(self._stdin)
            if self._input_ends:
                self._stdin.close()

    def _read_output(self) -> None:
        block = os.read(self._stdout.fileno(), _BLOCK_BYTES)
        if not block:
            self._output_ended = True
            self._selector.unregister(self._stdout)
            return
        *lines, self._begun = (self._begun + block).split(b"\n")
        self._lines.extend(lines)
        if len(self._begun) > _MAX_LINE_BYTES:
            raise ProgramFault("misaligned", "wrote more than 1 MiB without the end of a line")

    def _read_errors(self) -> None:
        block = os.read(self._stderr.fileno(), _BLOCK_BYTES)
        if not block:
            self._selector.unregister(self._stderr)
        self._errors = (self._errors + block)[-_MAX_ERRORS_BYTES:]

    def _is_registered(self, file: IO[bytes]) -> bool:
        return file in self._selector.get_map()


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for file in (process.stdin, process.stdout, process.stderr):
        if file is not None:
            file.close()
