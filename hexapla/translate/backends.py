"""Translators: which kinds there are, and opening one by its configuration.

Opening reads configuration and tokenizer only. So a wrong name, language or kind of model is known
in a second, before gigabytes of weights are fetched, converted or loaded.
"""

from __future__ import annotations

import importlib.util

from hexapla.errors import InputError
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation, Translator

__all__ = ["Translation", "Translator", "TranslatorConfig", "open_translator"]


def open_translator(config: TranslatorConfig) -> Translator:
    """Open a translator without its weights.

    Args:
        config: With backend "auto", CTranslate2 runs what it can, where it is installed, and
            transformers the rest.

    Raises:
        InputError: The name, the source language, a setting or the kind of model will not do, or a
            library is missing.
    """
    if config.backend == "openai":
        from hexapla.translate.openai import OpenAITranslator

        return OpenAITranslator(config)
    from hexapla.translate.checkpoint import Checkpoint
    from hexapla.translate.conversion import can_convert

    installed = importlib.util.find_spec("ctranslate2") is not None
    if config.backend == "ctranslate2" and not installed:
        raise InputError("backend ctranslate2 is not installed: pip install 'hexapla[translate]'")
    checkpoint = Checkpoint(config)
    if config.backend == "ctranslate2" and not can_convert(checkpoint):
        raise InputError(
            f"{checkpoint.name}: CTranslate2 does not run this kind of {checkpoint.model_type}; "
            "use --backend transformers"
        )
    if config.backend == "ctranslate2" or (
        config.backend == "auto" and installed and can_convert(checkpoint)
    ):
        from hexapla.translate.ctranslate2 import CTranslate2Translator

        return CTranslate2Translator(config, checkpoint)
    from hexapla.translate.transformers import TransformersTranslator

    return TransformersTranslator(config, checkpoint)
