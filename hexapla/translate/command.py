"""Translate with any program that reads a sentence a line and writes a translation a line.

Marian, Bergamot, Apertium, translateLocally and scripts work like that. A program that answers
while its input is open is kept open, one for the language that is being translated, which is the
same for many shards. Any other one is run once for each shard.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from hexapla.corpus.shards import file_facts
from hexapla.errors import InputError
from hexapla.translate.aligned_lines import AlignedProgram
from hexapla.translate.command_line import CommandLine
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.plugged import PluggedTranslator, as_translation
from hexapla.translate.translator import Translation


class CommandTranslator(PluggedTranslator):
    """A program as a translator; implements `Translator`.

    Args:
        config: The program, its arguments and settings.

    Raises:
        InputError: The command cannot be read, or its program is missing or may not be run.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__(config)
        self._command = CommandLine.read("translator", config.translator)
        self._files = self._command.files()
        program = self._command.words[0]
        script = [file for file in self._files if file in self._command.words[1:]]
        self._name = " ".join(map(os.path.basename, (program, *script)))
        self._streams = {"auto": None, "always": True, "never": False}[config.streams]
        self._program: AlignedProgram | None = None
        self._target = ""  # of the program that is open

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_program": None, "_target": ""}

    def check_settings(self, targets: Sequence[str]) -> None:
        """Refuse what can be known to be wrong without running the program.

        Raises:
            InputError: A language has no code, the program is missing or may not be run, or it is
                not told which of several targets is wanted.
        """
        super().check_settings(targets)
        if len(targets) > 1 and not self._takes("target"):
            raise InputError(
                f'translator "{self._name}" has no {{target}}, so it translates into one language; '
                f"asked for {', '.join(targets)}: put {{target}} where the language belongs"
            )
        for target in targets:
            self._arguments(target)

    def close(self) -> None:
        """End the program; the next `translate` starts it again."""
        if self._program is not None:
            self._program.close()
        self._program, self._target = None, ""

    def _arguments(self, target: str) -> list[str]:
        codes = {
            name: self.codes.code(language) if self._takes(name) else ""
            for name, language in (("source", self.config.pivot), ("target", target))
        }
        return self._command.arguments(**codes)

    def _takes(self, placeholder: str) -> bool:
        return self._command.names(placeholder)

    def _try(self, target: str) -> None:
        self._open(target).probe()
        self._note_streams()

    def _translate(self, target: str, lines: Sequence[str]) -> dict[str, Translation]:
        answers, problems = self._open(target).answer(lines)
        self._note_streams()
        found = {line: Translation(None, problem=problem) for line, problem in problems.items()}
        for line, answer in answers.items():
            try:
                found[line] = as_translation(answer.decode())
            except UnicodeDecodeError:
                found[line] = Translation(None, problem="unreadable answer")
        return found

    def _open(self, target: str) -> AlignedProgram:
        if self._program is None or self._target != target:
            self.close()
            self._program = AlignedProgram(
                self._arguments(target),
                f"{self._name} ({target})",
                streams=self._streams,
                timeout_s=self.config.timeout_s,
                batch_tokens=self.config.batch_tokens,
                n_threads=self.config.threads,
            )
            self._target = target
        return self._program

    def _note_streams(self) -> None:
        if self._program is not None:
            self._streams = self._program.streams

    def _identity(self) -> dict[str, object]:
        """Return the names of program and script, and the hashes of the command and of both.

        The command may hold paths of this machine, which are not published.
        """
        return {
            "name": self._name,
            "command": hashlib.sha256(self.config.translator.encode()).hexdigest()[:12],
            "files": {
                os.path.basename(file): file_facts(Path(file))["sha256"] for file in self._files
            },
        }
