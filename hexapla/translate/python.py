"""Translate with a function or object of Python: `translate(texts, source, target) -> list[str]`.

It is named as `module:name`, and imported when it is first needed, in every process of a build.
The current folder is searched after all others, so that a module there can be named.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hexapla.corpus.shards import file_facts
from hexapla.errors import InputError
from hexapla.text.printable import printable
from hexapla.translate.aligned_lines import MAX_REFUSED, SENTINEL
from hexapla.translate.command_line import shorten
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.plugged import PluggedTranslator, as_translation
from hexapla.translate.sentence_batches import batch_sentences, split_batch
from hexapla.translate.translator import Translation

_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_CALL = "translate(texts, source, target)"
_log = logging.getLogger(__name__)


class _Refused(Exception):
    """A call that gave no usable answer: the problem of its texts, and what happened."""

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


class PythonTranslator(PluggedTranslator):
    """A function or object as a translator; implements `Translator`.

    Args:
        config: Its name and settings.

    Raises:
        InputError: The name is not of the form `module:name`, or there is no such module.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__(config)
        self._module, _, self._attribute = config.translator.partition(":")
        if not _NAME.fullmatch(self._module) or not _NAME.fullmatch(self._attribute):
            raise InputError(
                f'translator is "{shorten(config.translator)}"; with --backend python it must be a '
                "function or an object as module:name, such as my_mt:translate"
            )
        self._function: Callable[..., Any] | None = None
        self._n_refused = 0  # since the last answer

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_function": None}

    def check_settings(self, targets: Sequence[str]) -> None:
        """Refuse what can be known to be wrong without importing the module.

        Raises:
            InputError: A language has no code, or there is no such module.
        """
        super().check_settings(targets)
        _search_here()
        top = self._module.partition(".")[0]
        if top not in sys.modules and importlib.util.find_spec(top) is None:
            raise InputError(
                f"{shorten(self.config.translator)}: no module {shorten(top)}; install it, or run "
                "where it lies"
            )

    def close(self) -> None:
        """Forget the function; the module stays imported."""
        self._function = None

    def _try(self, target: str) -> None:
        try:
            self._call(target, [SENTINEL])
        except _Refused as refused:
            raise InputError(f"{self._shown(target)} {refused}") from refused.__cause__

    def _translate(self, target: str, lines: Sequence[str]) -> dict[str, Translation]:
        batches = batch_sentences(
            lines,
            [target] * len(lines),
            list(lines),
            (),
            max_texts=len(lines),
            max_tokens=self.config.batch_tokens,
        )
        found: dict[str, Translation] = {}
        stack = [batch.texts for batch in reversed(batches)]
        while stack:
            texts = stack.pop()
            try:
                answers = self._call(target, list(texts))
            except _Refused as refused:
                if len(texts) > 1:
                    stack += split_batch(texts)
                else:
                    (text,) = texts
                    found[text] = self._refuse(target, text, refused)
            else:
                self._n_refused = 0
                found |= dict(zip(texts, map(_read, answers), strict=True))
        return found

    def _refuse(self, target: str, text: str, refused: _Refused) -> Translation:
        self._n_refused += 1
        shown = f'{self._shown(target)}: no translation of "{shorten(text)}", at which it {refused}'
        if self._n_refused >= MAX_REFUSED:
            raise InputError(
                f"{shown}; nor of the {MAX_REFUSED - 1} sentences before it"
            ) from refused.__cause__
        _log.warning("%s", shown)
        return Translation(None, problem=refused.problem)

    def _call(self, target: str, texts: list[str]) -> Sequence[object]:
        """Call the function.

        Raises:
            _Refused: It raises, or does not return a list with an item for each text.
        """
        function = self._open()
        source = self.codes.code(self.config.pivot)
        try:
            answers = function(list(texts), source, self.codes.code(target))
        except (Exception, SystemExit) as error:
            raise _Refused("exception", f"raised {_describe(error)}") from error
        if not isinstance(answers, list | tuple):
            kind = type(answers).__name__
            raise _Refused("misaligned", f"returned a {kind}; it must return a list of texts")
        if len(answers) != len(texts):
            raise _Refused("misaligned", f"returned {len(answers)} texts for {len(texts)}")
        if not any(isinstance(answer, str) for answer in answers):
            kind = type(answers[0]).__name__
            raise _Refused("unreadable answer", f"returned a list of {kind}, not of texts")
        return answers

    def _open(self) -> Callable[..., Any]:
        if self._function is None:
            name = shorten(self.config.translator)
            _search_here()
            try:
                found: Any = importlib.import_module(self._module)
            except (Exception, SystemExit) as error:
                raise InputError(f"{name}: importing it raised {_describe(error)}") from error
            for part in self._attribute.split("."):
                if not hasattr(found, part):
                    raise InputError(f"{name}: the module has no {shorten(self._attribute)}")
                found = getattr(found, part)
            self._function = _callable(name, found)
        return self._function

    def _shown(self, target: str) -> str:
        return f"{shorten(self.config.translator)} ({target})"

    def _identity(self) -> dict[str, object]:
        """Return the name, and the version and hash of the module as far as it has them."""
        self._open()
        module = sys.modules[self._module]
        identity: dict[str, object] = {"name": self.config.translator}
        file = getattr(module, "__file__", None)
        if file and os.path.isfile(file):
            identity["files"] = {os.path.basename(file): file_facts(Path(file))["sha256"]}
        version = getattr(module, "__version__", None)
        return identity | ({"version": version} if isinstance(version, str) else {})


def _callable(name: str, found: Any) -> Callable[..., Any]:
    """Return what is to be called of a function or an object.

    Raises:
        InputError: It cannot be called with texts and two languages.
    """
    if inspect.isclass(found):
        raise InputError(f"{name} is a class; name an object of it, or a function")
    function = getattr(found, "translate", found)
    if not callable(function):
        raise InputError(f"{name} is no function and has no method {_CALL}")
    try:
        inspect.signature(function).bind([], "", "")
    except TypeError as error:
        raise InputError(f"{name} cannot be called as {_CALL}: {error}") from error
    except ValueError:  # one of C tells no signature
        pass
    checked: Callable[..., Any] = function
    return checked


def _search_here() -> None:
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
        importlib.invalidate_caches()


def _describe(error: BaseException) -> str:
    return shorten(f"{type(error).__name__}: {printable(str(error))}")


def _read(answer: object) -> Translation:
    if not isinstance(answer, str):
        return Translation(None, problem="unreadable answer")
    return as_translation(answer)
