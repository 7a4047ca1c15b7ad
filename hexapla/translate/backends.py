"""Open a translator by its settings: choose its backend, and check all that needs no weights.

Checking reads a checkpoint's small files and no heavy library, so that a wrong name, language,
device or kind of model is reported in a second, before anything large is fetched or loaded.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Sequence
from typing import Literal

from hexapla.errors import InputError
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.checkpoint_languages import languages_in_files
from hexapla.translate.command import CommandTranslator
from hexapla.translate.command_line import CommandLine
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.conversion import can_convert
from hexapla.translate.device import parse_device
from hexapla.translate.python import PythonTranslator
from hexapla.translate.translator import Translator

_log = logging.getLogger(__name__)


def open_translator(config: TranslatorConfig, *, keep_answers: bool = True) -> Translator:
    """Open a translator without its weights.

    Args:
        config: With backend "auto", CTranslate2 runs what it can, where it is installed, and
            transformers the rest.
        keep_answers: Find and keep an endpoint's answers in the request cache.

    Raises:
        InputError: The name, the pivot, a setting or the kind of model is refused, or a library is
            missing.
    """
    if config.backend == "openai":
        from hexapla.translate.openai import OpenAITranslator

        return OpenAITranslator(config, keep_answers=keep_answers)
    if config.backend == "command":
        return CommandTranslator(config)
    if config.backend == "python":
        return PythonTranslator(config)
    files = CheckpointFiles(config)
    backend = _check_files(config, files, ())
    if backend == "ctranslate2":
        from hexapla.translate.ctranslate2 import CTranslate2Translator

        return CTranslate2Translator(config, files)
    from hexapla.translate.transformers import TransformersTranslator

    return TransformersTranslator(config, files)


def check_translator(config: TranslatorConfig, targets: Sequence[str] = ()) -> None:
    """Check a translator and its languages as far as that needs no heavy library.

    What opening a translator and its `check` find beyond that needs the tokenizer.

    Args:
        config: The translator.
        targets: Canonical codes of the languages to translate into.

    Raises:
        InputError: As in `open_translator`, or a target that the translator lacks.
    """
    if config.backend == "openai":
        open_translator(config).check(targets)
    elif config.backend == "command":
        CommandTranslator(config).check_settings(targets)
    elif config.backend == "python":
        PythonTranslator(config).check_settings(targets)
    else:
        _check_files(config, CheckpointFiles(config), targets)


def translator_paths(config: TranslatorConfig) -> list[str]:
    """Return what a translator consists of: a name or folder, or the files that a command names.

    Raises:
        InputError: The command cannot be read, or its program is missing.
    """
    if config.backend == "command":
        return CommandLine.read("translator", config.translator).files()
    return [config.translator]


def _check_files(
    config: TranslatorConfig, files: CheckpointFiles, targets: Sequence[str]
) -> Literal["ctranslate2", "transformers"]:
    """Check what the files of a checkpoint show, and return the backend that is to run it."""
    parse_device(config.device)
    backend = _choose_backend(config, files)
    _check_libraries(files)
    languages = languages_in_files(files, config.codes)
    if languages is not None:
        languages.check_pivot(config.pivot)
        if targets:
            languages.check_targets(config.pivot, targets)
            if choices := languages.choices(targets):
                _log.info("%s: %s", files.name, choices)
    return backend


def _check_libraries(files: CheckpointFiles) -> None:
    """Refuse to go on without the library that an M2M100's or a Marian's tokenizer needs."""
    has_own_format = (files.folder / "tokenizer.json").is_file()
    if (
        files.model_type in ("m2m_100", "marian")
        and not has_own_format
        and not _has("sentencepiece")
    ):
        raise InputError(
            f"{files.name}: its tokenizer needs sentencepiece: pip install 'hexapla[translate]'"
        )


def _has(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def _choose_backend(
    config: TranslatorConfig, files: CheckpointFiles
) -> Literal["ctranslate2", "transformers"]:
    is_installed = _has("ctranslate2")
    if config.backend == "ctranslate2":
        if not is_installed:
            raise InputError(
                "backend ctranslate2 is not installed: pip install 'hexapla[translate]'"
            )
        if not can_convert(files):
            raise InputError(
                f"{files.name}: CTranslate2 does not run this kind of {files.model_type}; "
                "use --backend transformers"
            )
        return "ctranslate2"
    if config.backend == "auto" and is_installed and can_convert(files):
        return "ctranslate2"
    if files.converted:
        raise InputError(
            f"{files.name} is converted for CTranslate2; use --backend ctranslate2, or the original"
        )
    return "transformers"
