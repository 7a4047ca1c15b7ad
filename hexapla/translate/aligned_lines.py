"""Lines -> a translation for each by a program that may lose, double or garble some.

A program that reads and writes lines says nowhere which line belongs to which. So a sentinel, a
line whose translation is known, goes in after every 32 lines: where it comes out, as many lines
must have come out before it. What stands between two sentinels in their right places is kept, and
the rest is asked again in halves, down to the one line that is at fault.

One fault would hide another only between the same two sentinels, a line lost and a line doubled.
So where two lines in a row come out equal, these lines are asked again with a sentinel after each.
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hexapla.errors import InputError
from hexapla.translate.command_line import shorten, show_command
from hexapla.translate.line_program import LineProgram, ProgramFault
from hexapla.translate.prompts import prompt_tokens

SENTINEL = "70416."
"""A line that every translator takes: a number, which most of them copy."""

MAX_REFUSED = 20
"""Sentences without a translation, one after the other, before a translator is given up."""

_SENTINEL_EVERY = 32  # lines; the sentinels are then about one token in a hundred
_PROBE_S = 20.0  # models of programs that are run on a CPU load in less
_MAX_STARTS = 3  # in a row that fail
_MAX_TRIES = 2  # of a line by itself; a program may just have been about to crash
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LineBatch:
    """Lines to send, with a sentinel after every `every` of them."""

    lines: list[str]
    every: int = _SENTINEL_EVERY


@dataclass
class Exchange:
    """What became of a batch.

    Attributes:
        answers: The lines that the program wrote, by the lines that it read.
        doubtful: Lines whose answers may belong to their neighbours.
        failed: Lines at which something went wrong.
        rest: Lines after them.
        fault: What went wrong.
    """

    answers: dict[str, bytes] = field(default_factory=dict)
    doubtful: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    fault: ProgramFault | None = None


class AlignedProgram:
    """A program for one pair of languages, started when it is needed and again after a fault.

    Args:
        arguments: The program and its arguments.
        name: Its name, for errors.
        streams: Whether it answers while its input is open. None asks it.
        timeout_s: Seconds to wait for a line; of a program that answers at its end, for each
            `batch_tokens` of input.
        batch_tokens: See there.
        n_threads: Threads of its numeric libraries. None leaves them alone.

    Attributes:
        streams: As above, once it has been started.
        problems: Why lines have no answer, after `answer`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        name: str,
        *,
        streams: bool | None,
        timeout_s: float,
        batch_tokens: int,
        n_threads: int | None,
    ) -> None:
        self.streams = streams
        self._arguments, self._name = arguments, name
        self._timeout_s, self._batch_tokens = timeout_s, batch_tokens
        self._n_threads = n_threads
        self._program: LineProgram | None = None
        self._sentinel: bytes | None = None  # its translation
        self._n_refused = 0  # since the last answer

    def probe(self) -> None:
        """Start the program, and have it translate the sentinel.

        Raises:
            InputError: It cannot be started, does not answer, or does not write one line for one.
        """
        self.close()
        try:
            self._program = self._start()
        except ProgramFault as fault:
            raise InputError(
                f"{self._name} {fault}; see what it does with: "
                f"echo {SENTINEL} | {show_command(self._arguments)}"
            ) from None

    def answer(self, lines: Sequence[str]) -> tuple[dict[str, bytes], dict[str, str]]:
        """Return the program's line for each line, and for the others what their problem is.

        Args:
            lines: Different lines, without any kind of line end.

        Raises:
            InputError: The program does not answer any more, or refuses too many in a row.
        """
        answers: dict[str, bytes] = {}
        problems: dict[str, str] = {}
        n_tries: Counter[str] = Counter()
        stack = [LineBatch(list(lines))] if lines else []
        while stack:
            batch = stack.pop()
            done = self._exchange(batch)
            answers |= done.answers
            self._n_refused = 0 if done.answers else self._n_refused
            for again, every in ((done.rest, batch.every), (done.doubtful, 1)):
                if again:
                    stack.append(LineBatch(again, every))
            if done.fault is None:
                continue
            _log.info("%s %s; going on", self._name, done.fault)
            failed = done.failed
            if len(failed) > 1:
                middle = len(failed) // 2
                stack += [
                    LineBatch(half, batch.every) for half in (failed[middle:], failed[:middle])
                ]
                continue
            n_tries.update(failed)
            if n_tries[failed[0]] < _MAX_TRIES:
                stack.append(LineBatch(failed))
            else:
                problems[failed[0]] = self._refuse(failed[0], done.fault)
        return answers, problems

    def close(self) -> None:
        """End the program."""
        if self._program is not None:
            self._program.close()
        self._program = None

    def _kill(self) -> None:
        if self._program is not None:
            self._program.kill()
        self._program = None

    def _refuse(self, line: str, fault: ProgramFault) -> str:
        self._n_refused += 1
        shown = f'{self._name}: no translation of "{shorten(line)}", at which it {fault}'
        if self._n_refused >= MAX_REFUSED:
            raise InputError(f"{shown}; nor of the {MAX_REFUSED - 1} sentences before it")
        if not self.streams:  # else it is asked anyway when it starts again
            self.probe()
        _log.warning("%s", shown)
        return fault.problem

    def _exchange(self, batch: LineBatch) -> Exchange:
        """Have a batch translated, as far as that goes."""
        every, lines = batch.every, batch.lines
        chunks = [lines[start : start + every] for start in range(0, len(lines), every)]
        program = self._ready()
        done = Exchange()
        try:
            sent = [line for chunk in chunks for line in (*chunk, SENTINEL)]
            program.send([line.encode() for line in sent], last=not self.streams)
            end = time.monotonic() + self._timeout_s * self._n_batches(lines)
            for place, chunk in enumerate(chunks):
                try:
                    answers = self._read(program, len(chunk), None if self.streams else end)
                except ProgramFault as fault:
                    done.fault, done.failed = fault, chunk
                    done.rest = [line for later in chunks[place + 1 :] for line in later]
                    if place == 0 and not self.streams:  # what it wrote may be lost with it
                        done.failed, done.rest = lines, []
                    break
                pairs = dict(zip(chunk, answers, strict=True))
                if every > 1 and any(one == other for one, other in itertools.pairwise(answers)):
                    done.doubtful += chunk
                else:
                    done.answers |= pairs
        except BaseException:
            self._kill()
            raise
        if done.fault is not None:
            self._kill()
        elif not self.streams:
            self._finish(program, end)
        return done

    def _n_batches(self, lines: Sequence[str]) -> int:
        return math.ceil(max(1, sum(map(prompt_tokens, lines))) / self._batch_tokens)

    def _read(self, program: LineProgram, n_lines: int, end: float | None) -> list[bytes]:
        """Read the answers to some lines and the sentinel after them.

        Raises:
            ProgramFault: There are too few or too many, or none in time.
        """
        answers: list[bytes] = []
        while True:
            answer = self._next(program, end)
            if answer is None:
                raise ProgramFault("crash", f"{program.ending()}{program.quote_errors()}")
            if answer == self._sentinel:
                if len(answers) == n_lines:
                    return answers
                raise ProgramFault("misaligned", f"wrote {len(answers)} lines for {n_lines}")
            if len(answers) == n_lines:
                raise ProgramFault("misaligned", f"wrote more than {n_lines} lines for {n_lines}")
            answers.append(answer)

    def _next(self, program: LineProgram, end: float | None) -> bytes | None:
        started = time.monotonic()
        try:
            return program.next_line(started + self._timeout_s if end is None else end)
        except ProgramFault as fault:
            if fault.problem != "timeout":
                raise
            waited = self._timeout_s if end is None else max(0.0, end - started)
            raise ProgramFault(
                "timeout",
                f"{fault} for {waited:g} s, see --timeout-s{program.quote_errors()}",
            ) from None

    def _finish(self, program: LineProgram, end: float) -> None:
        """Wait until a program whose input has ended has ended too."""
        try:
            extra = program.next_line(end)
            ended = program.ending() if extra is None else "wrote more lines than it read"
        except ProgramFault as fault:
            ended = str(fault)
        if program.exit_status != 0:
            _log.warning("%s %s, after all its lines%s", self._name, ended, program.quote_errors())
        self._kill()

    def _ready(self) -> LineProgram:
        """Return the program with open input, started again if it has ended.

        Raises:
            InputError: It does not answer when it is started.
        """
        if self._sentinel is None:
            self._restart()
        if not self.streams:
            self._kill()
            self._program = LineProgram(self._arguments, self._n_threads)
        elif self._program is None or not self._program.is_running:
            self._restart()
        if self._program is None:
            raise RuntimeError(f"{self._name} is not running")
        return self._program

    def _restart(self) -> None:
        for n_failed in range(_MAX_STARTS):
            self._kill()
            try:
                self._program = self._start()
                return
            except ProgramFault as fault:
                failure = f"{self._name} {fault}"
                _log.info("%s; started %d times", failure, n_failed + 1)
        raise InputError(f"{failure}; it was started {_MAX_STARTS} times; go on with --resume")

    def _start(self) -> LineProgram:
        """Start the program and learn its answer to the sentinel.

        Raises:
            ProgramFault: It does not answer a line with a line.
        """
        program = LineProgram(self._arguments, self._n_threads)
        try:
            program.send([SENTINEL.encode()] * 2, last=self.streams is False)
            streams, one, other = self._read_probe(program)
            extra = program.has_more() if streams else self._next(program, None) is not None
            self._check_sentinel(one, other, extra)
        except BaseException:
            program.kill()
            raise
        if self.streams is None and not streams:
            _log.info("%s answers when its input ends, so it starts for each shard", self._name)
        self.streams, self._sentinel = streams, one
        return program

    def _read_probe(self, program: LineProgram) -> tuple[bool, bytes, bytes]:
        """Return the answers to two sentinels, and before them whether the input was still open.

        Raises:
            ProgramFault: It writes fewer lines, or none in time.
        """
        streams, answers = self.streams is not False, list[bytes]()
        while len(answers) < 2:
            try:
                if self.streams is None and streams:
                    answer = program.next_line(time.monotonic() + _PROBE_S)
                else:
                    answer = self._next(program, None)
            except ProgramFault as fault:
                if fault.problem == "timeout" and self.streams is None and streams:
                    program.send([], last=True)
                    streams = False
                    continue
                if fault.problem == "timeout" and streams:
                    raise ProgramFault(
                        "timeout",
                        f"{fault}; if it answers when its input ends, use --streams never",
                    ) from None
                raise
            if answer is None:
                raise ProgramFault(
                    "crash",
                    f"{program.ending()} and wrote {len(answers)} lines for 2"
                    f"{program.quote_errors()}",
                )
            answers.append(answer)
        return streams, answers[0], answers[1]

    def _check_sentinel(self, one: bytes, other: bytes, extra: bool) -> None:
        for answer in (one, other):
            try:
                answer.decode()
            except UnicodeDecodeError:
                raise ProgramFault(
                    "misaligned", f"wrote bytes that are not UTF-8, {answer[:20]!r}"
                ) from None
        if one != other or extra:
            raise ProgramFault(
                "misaligned",
                f'answered {SENTINEL} with "{shorten(one.decode())}" and then with '
                f'"{shorten(other.decode())}"{" and more" if extra else ""}; it must write a line '
                "for each line, the same for the same one, and nothing else to stdout",
            )
        if not one.strip():
            raise ProgramFault("misaligned", f"answered {SENTINEL} with an empty line")
