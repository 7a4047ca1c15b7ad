"""What a user's programs and Python functions share: languages, lines, answers as translations.

Both get texts of one target at a time, each on one line, and codes of their own for the languages.
Neither has other settings for a second attempt, so a text whose translation was rejected is not
asked again.
"""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from hexapla.errors import InputError
from hexapla.text import languages
from hexapla.text.printable import printable
from hexapla.translate.command_line import CommandLine, shorten
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.language_codes import LanguageCodes
from hexapla.translate.prompts import prompt_tokens
from hexapla.translate.translator import Translation

# Whatever some program may take for the end of a line or of a text, and half of a surrogate pair.
_NO_LINE = re.compile("[\0-\x08\n-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]+")
_VERSION_TIMEOUT_S = 60.0


class PluggedTranslator(ABC):
    """A translator of a user that takes texts of one target at a time; implements `Translator`.

    Args:
        config: Its settings.

    Raises:
        InputError: One of them cannot be used.
    """

    multilingual = False

    def __init__(self, config: TranslatorConfig) -> None:
        self.config = config
        self.codes = LanguageCodes.read(config.codes)
        self._version_command = (
            CommandLine.read("version_command", config.version_command, ())
            if config.version_command is not None
            else None
        )
        self._tried: frozenset[str] = frozenset()

    def check_settings(self, targets: Sequence[str]) -> None:
        """Refuse what can be known to be wrong without running anything.

        Raises:
            InputError: A language has no code or is the pivot, or a program is missing.
        """
        for target in targets:
            languages.name(target)
            if target == self.config.pivot:
                raise InputError(f"target {target} is the language of the texts; leave it out")
        if self._takes("source"):
            self.codes.code(self.config.pivot)
        if self._takes("target"):
            self.codes.check(targets)
        if self._version_command is not None:
            self._version_command.arguments()

    def check(self, targets: Sequence[str]) -> None:
        """Have a number translated into each target that was not tried yet.

        Raises:
            InputError: As in `check_settings`, or there is no right answer.
        """
        self.check_settings(targets)
        # The first one last, since a build begins with it and its program is then open.
        for target in reversed(targets):
            if target not in self._tried:
                self._try(target)
                self._tried |= {target}

    def facts(self) -> Mapping[str, object]:
        """Return all that the output is known to depend on.

        Raises:
            InputError: The command for the version fails.
        """
        version = self._version()
        return {
            "backend": self.config.backend,
            **self._identity(),
            **({} if version is None else {"version": version}),
            "source": self.config.pivot,
            "codes": self.codes.facts(),
            "max_input_tokens": self.config.max_input_tokens,
        }

    def translate(
        self, texts: Sequence[str], targets: Sequence[str], *, retry: bool = False
    ) -> list[Translation]:
        """Translate each text into the language at its position in `targets`, in order.

        Args:
            texts: In the pivot; empty and over-long texts come back with their problem.
            targets: A canonical code for each text.
            retry: Give no translation, since it would be the same one.

        Raises:
            InputError: It does not answer any more.
        """
        if len(texts) != len(targets):
            raise ValueError(
                f"{len(texts)} texts and {len(targets)} targets; each text needs its own target"
            )
        if retry:
            return [Translation(None, problem="no second translation")] * len(texts)
        lines = [as_line(text) for text in texts]
        problems = [self._problem(line) for line in lines]
        wanted: dict[str, dict[str, None]] = {}
        for line, target, problem in zip(lines, targets, problems, strict=True):
            if problem is None:
                wanted.setdefault(target, {})[line] = None
        self.check(list(dict.fromkeys(targets)))
        found = {target: self._translate(target, list(lines)) for target, lines in wanted.items()}
        return [
            found[target][line] if problem is None else Translation(None, problem=problem)
            for line, target, problem in zip(lines, targets, problems, strict=True)
        ]

    @abstractmethod
    def close(self) -> None:
        """Free what it holds; the next `translate` opens it again."""

    @abstractmethod
    def _try(self, target: str) -> None:
        """Have something translated, or raise an `InputError`."""

    @abstractmethod
    def _translate(self, target: str, lines: Sequence[str]) -> dict[str, Translation]:
        """Return the translations of different lines, by line."""

    @abstractmethod
    def _identity(self) -> dict[str, object]:
        """Return its name, and the hashes of what it consists of."""

    def _takes(self, placeholder: str) -> bool:
        """Return whether it is told the "source" or the "target"."""
        return True

    def _problem(self, line: str) -> str | None:
        if not line:
            return "empty"
        too_long = prompt_tokens(line) > self.config.max_input_tokens
        return "source too long" if too_long else None

    def _version(self) -> str | None:
        if self._version_command is None:
            return None
        arguments = self._version_command.arguments()
        shown = f'version_command "{shorten(self.config.version_command or "")}"'
        try:
            done = subprocess.run(
                arguments,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_VERSION_TIMEOUT_S,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"{shown} has not ended after {_VERSION_TIMEOUT_S:g} s; it must print a version"
            ) from error
        except OSError as error:
            raise InputError(f"{shown} cannot be started: {error.strerror}") from error
        said = (done.stdout.strip() or done.stderr.strip()).decode(errors="replace")
        version = shorten(" ".join(printable(said).split()))
        if done.returncode or not version:
            raise InputError(
                f'{shown} ended with status {done.returncode} and "{version}"; it must print a '
                "version and end with 0"
            )
        return version


def as_line(text: str) -> str:
    r"""Return a text on one line, by the rules of any program: other line ends become a space.

    >>> as_line("two\u2028lines\r\nor three\v")
    'two lines or three'
    """
    return _NO_LINE.sub(" ", text).strip()


def as_translation(answer: str) -> Translation:
    """Return the translation that an answer is, or the problem that it has none."""
    text = as_line(answer)
    return Translation(text) if text else Translation(None, problem="empty translation")
