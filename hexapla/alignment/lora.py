"""Low-rank adapters (LoRA, Hu et al. 2021) on an encoder's linear layers, by peft: trained, then merged into them.

The encoder that comes out is an ordinary one, as large and as fast as the base.
"""

from __future__ import annotations

import importlib.util

from sentence_transformers import SentenceTransformer

from hexapla.errors import InputError


def check_installed() -> None:
    """Refuse to train adapters without peft.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise InputError("--lora takes the package peft; pip install 'hexapla[lora]'")


class Lora:
    """Adapters in an encoder, which alone are trained until `merge`.

    Args:
        model: the encoder.
        rank: of the adapters' two factors, 1 or more.
    """

    def __init__(self, model: SentenceTransformer, rank: int) -> None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", bias="none")
        # Layers are replaced inside the transformer, which the encoder goes on holding.
        self._adapted = get_peft_model(model[0].auto_model, config)

    def merge(self) -> None:
        """Add the adapters to the weights and take them out."""
        self._adapted.merge_and_unload()
