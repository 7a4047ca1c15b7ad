"""A command given as one text -> a program and its arguments, for a pair of languages.

No shell reads the text. It is split into words as a shell would split it, and each placeholder is
replaced inside its word, so that neither a code nor a sentence can become an argument of its own.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from string import Formatter

from hexapla.errors import InputError
from hexapla.text.printable import printable

PLACEHOLDERS = ("source", "target")
_MAX_SHOWN = 200  # characters of a command in an error


@dataclass(frozen=True)
class CommandLine:
    """A command whose placeholders have been checked.

    Attributes:
        words: The program and its arguments, with their placeholders.
    """

    words: tuple[str, ...]

    @classmethod
    def read(
        cls, setting: str, text: str, placeholders: Collection[str] = PLACEHOLDERS
    ) -> CommandLine:
        """Split a command into words.

        Args:
            setting: Where it was given, for errors.
            text: The command. `{{` and `}}` stand for braces.
            placeholders: The names that may stand in braces.

        Raises:
            InputError: It has no word, a quotation without an end, or another placeholder.
        """
        shown = f'{setting} is "{shorten(text)}"'
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise InputError(f"{shown}: {str(error).lower()}; quote it as for a shell") from error
        if not words or not words[0]:
            raise InputError(f"{shown}; give a program and its arguments")
        allowed = " and ".join(f"{{{name}}}" for name in placeholders) or "none"
        for word in words:
            try:
                parts = list(Formatter().parse(word))
            except ValueError as error:
                raise InputError(
                    f"{shown}, which has a brace without its pair; write {{{{ or }}}} for a brace"
                ) from error
            for _, name, form, conversion in parts:
                if name is not None and (name not in placeholders or form or conversion):
                    raise InputError(
                        f"{shown}, which has the unknown placeholder {{{shorten(name)}}}; allowed "
                        f"{'are' if placeholders else 'is'} {allowed}; write {{{{ or }}}} for a "
                        "brace"
                    )
        return cls(words)

    def names(self, placeholder: str) -> bool:
        """Return whether the command has a placeholder."""
        return any(placeholder in _names(word) for word in self.words)

    def arguments(self, source: str = "", target: str = "") -> list[str]:
        """Return the program and its arguments for two codes, the program by its path.

        Raises:
            InputError: There is no such program, or it may not be run.
        """
        program, *others = (word.format(source=source, target=target) for word in self.words)
        return [find_program(program), *others]

    def files(self) -> list[str]:
        """Return the program and its first argument, a script or a model, as far as they are files.

        Other arguments may be logs, which change from run to run.

        Raises:
            InputError: There is no such program, or it may not be run.
        """
        found = []
        if not _names(self.words[0]):
            found.append(find_program(self.words[0].format()))
        for word in self.words[1:]:
            if word.startswith("--"):
                break
            if not word.startswith("-"):
                found += [] if _names(word) else [word.format()]
                break
        return [path for path in found if os.path.isfile(path)]


def find_program(name: str) -> str:
    """Return the path of a program.

    Raises:
        InputError: There is none, or it may not be run.
    """
    path = shutil.which(name)
    if path is not None:
        return path
    shown = shorten(name)
    if os.path.isdir(name):
        raise InputError(f"{shown} is a folder; give the program in it")
    if os.path.exists(name) and os.sep in name:
        raise InputError(f"{shown} is not executable; make it so with: chmod +x {shown}")
    if os.path.exists(name):
        raise InputError(
            f"{shown} is not in a folder of PATH; to run the file here write ./{shown}"
        )
    where = "no such program" if os.sep in name else "no such program in the folders of PATH"
    raise InputError(f"{shown}: {where}; install it, or give its path")


def shorten(text: str) -> str:
    """Return the beginning of a text on one line, for an error."""
    shown = printable(text[:_MAX_SHOWN])
    return shown if len(text) <= _MAX_SHOWN else f"{shown}…"


def show_command(arguments: Sequence[str]) -> str:
    """Return arguments as they are typed into a shell, shortened for an error."""
    return shorten(shlex.join(arguments))


def _names(word: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(word) if name is not None]
