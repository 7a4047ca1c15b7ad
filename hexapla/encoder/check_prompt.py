"""Whether a prompt leaves room for a text: all that is cut off would be the text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hexapla.encoder.config import MAX_PROMPT
from hexapla.errors import InputError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def check_prompt(model: SentenceTransformer, prompt: str) -> None:
    """Refuse a prompt that fills the encoder's limit of tokens.

    Raises:
        InputError: No token of a text would be left, or the prompt is longer than any instruction.
    """
    if not prompt:
        return
    if len(prompt) > MAX_PROMPT:
        raise InputError(
            f"the prompt has {len(prompt):,} characters; at most {MAX_PROMPT:,} are allowed, since "
            "it is put before every text (--prompt)"
        )
    limit = model.max_seq_length
    if limit is None:
        return
    # Without the space at its end, which becomes a part of the text's first token.
    n_tokens = _count(model, prompt.rstrip())
    if n_tokens >= limit:
        raise InputError(
            f"the prompt has {n_tokens:,} tokens, special ones included, and the encoder reads "
            f"{limit:,} of a text with its prompt; give a shorter one (--prompt), or more tokens "
            "(--max-tokens)"
        )


def _count(model: SentenceTransformer, text: str) -> int:
    from transformers import PreTrainedTokenizerBase

    tokenizer = model.tokenizer
    if isinstance(tokenizer, PreTrainedTokenizerBase):
        return len(tokenizer(text, verbose=False)["input_ids"])
    return 0
