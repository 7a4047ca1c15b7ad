"""Whether a loaded encoder has a weight for every token and every position of a text.

A tokenizer of another encoder goes unnoticed until a text has a token whose number is beyond the
embeddings; a limit of length beyond the positions, until a text is that long. A padding token that
the model does not know as one moves the positions of all tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from hexapla.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

# The long text has several scripts, and a character that few vocabularies have.
_SHORT = "A word."
_LONG = "One sentence, 1234 число 漢字 بيت \u10ff; and more words than the other text has."
# Special tokens that a tokenizer puts around, between or in place of what a text says.
_WRITTEN_BY_TOKENIZER = ("bos", "eos", "cls", "sep", "pad", "unk")
_MIN_COSINE = 0.999  # of a text's vectors alone and beside another; 1 up to rounding
_log = logging.getLogger(__name__)


def check_tokens(name: str, model: SentenceTransformer) -> None:
    """Check tokenizers against embeddings, and limit texts to as many tokens as have a position.

    Raises:
        InputError: A token has no embedding, or padding is another token for the tokenizer than
            for the model.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding, Transformer

    for module in model.modules():
        if isinstance(module, StaticEmbedding):
            check_embeddings(name, module.tokenizer.get_vocab(), module.embedding.weight)
        elif isinstance(module, Transformer) and module.tokenizer is not None:
            weight = _input_embeddings(module.auto_model)
            if weight is not None:
                check_embeddings(name, _written_tokens(name, module.tokenizer, weight), weight)
            _check_positions(name, module)


def check_embeddings(name: str, vocabulary: Mapping[str, int], weight: Any) -> None:
    """Check that every token has an embedding; embeddings without a token do no harm.

    Args:
        name: The model, to begin an error with.
        vocabulary: The number of every token.
        weight: (V, D) tensor of embeddings.

    Raises:
        InputError: A token has none.
    """
    token = max(vocabulary, key=lambda piece: vocabulary[piece], default=None)
    if token is not None and vocabulary[token] >= len(weight):
        raise InputError(
            f'{name}: its tokenizer numbers tokens up to {vocabulary[token]} ("{token}"), and the '
            f"weights have embeddings for {len(weight)}, numbered from 0; give the tokenizer that "
            "the weights were trained with"
        )


def check_vectors(name: str, model: SentenceTransformer) -> None:
    """Encode two texts, and check that their vectors are finite and do not depend on each other.

    Some files are read at the first text only, such as the limit of length.

    Raises:
        InputError: A vector has values that are NaN or infinite.
    """
    settings: dict[str, Any] = {"show_progress_bar": False, "normalize_embeddings": True}
    alone, *both = (
        np.asarray(vectors, dtype=np.float32)
        for texts in ([_SHORT], [_SHORT, _LONG])
        for vectors in model.encode(texts, **settings)
    )
    if not np.isfinite([alone, *both]).all():
        raise InputError(
            f"{name}: gives vectors that are NaN or infinite; its weights or config.json are "
            "damaged"
        )
    if alone @ both[0] < _MIN_COSINE:
        _log.warning(
            "%s: the vector of a text depends on the texts that are encoded beside it; compare its "
            "tokenizer's padding token and attention mask with the original's",
            name,
        )


def _input_embeddings(model: Any) -> Any:
    """Return the (V, D) embeddings of a transformer; None if it has none, or does not say which."""
    try:
        return getattr(model.get_input_embeddings(), "weight", None)
    except NotImplementedError:  # CANINE hashes characters into several tables
        return None


def _written_tokens(name: str, tokenizer: Any, weight: Any) -> dict[str, int]:
    """Return a vocabulary without special tokens that have no embedding and need none.

    Published encoders have such, as Gemma 3 has one for images. Texts do not hold them.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if max(vocabulary.values(), default=-1) < len(weight):
        return vocabulary
    written = {getattr(tokenizer, f"{role}_token_id", None) for role in _WRITTEN_BY_TOKENIZER}
    unused = [
        token.content
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special and number >= len(weight) and number not in written
    ]
    if unused:
        _log.warning(
            "%s: its special token %s has no embedding; a text that holds it cannot be encoded",
            name,
            unused[0],
        )
    return {token: number for token, number in vocabulary.items() if token not in unused}


def _check_positions(name: str, module: Any) -> None:
    from torch import nn

    tokenizer = module.tokenizer
    for part in module.auto_model.modules():
        table = getattr(part, "position_embeddings", None)
        if not isinstance(table, nn.Embedding):
            continue
        # Positions of RoBERTa and its kin begin behind the number of the padding token.
        padding = getattr(part, "padding_idx", None)
        if isinstance(padding, int) and padding != tokenizer.pad_token_id:
            raise InputError(
                f"{name}: the padding token is number {tokenizer.pad_token_id} for its tokenizer "
                f"and {padding} for its model, which would move all positions; set pad_token_id "
                "in config.json to that of the original"
            )
        limit = _n_positions(table, padding)
        if not module.max_seq_length or module.max_seq_length > limit:
            _log.warning(
                "%s: texts are truncated at %d tokens, its number of positions", name, limit
            )
            module.max_seq_length = limit


def _n_positions(table: nn.Embedding, padding: object) -> int:
    return table.num_embeddings - (padding + 1 if isinstance(padding, int) else 0)
