"""Low-rank adapters (LoRA, Hu et al. 2021) on an encoder's linear layers, by peft.

The adapters are trained and then merged into the weights. The result is an ordinary encoder, as
large and as fast as its base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Lora:
    """Adapters in an encoder. Until `merge`, nothing else of its transformer is trained.

    Args:
        model: The encoder.
        rank: Rank of the adapters, 1 or more.
    """

    def __init__(self, model: SentenceTransformer, rank: int) -> None:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", bias="none")
        # peft replaces layers in place, so the encoder's own transformer has the adapters.
        self._adapted = get_peft_model(model[0].auto_model, config)

    def merge(self) -> None:
        """Add the adapters to the weights and remove them."""
        self._adapted.merge_and_unload()
