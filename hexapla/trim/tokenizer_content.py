"""A loaded encoder's tokenizer as the content of a `tokenizer.json`, and back.

What is loaded counts, not the file: a tokenizer may have been made of other files, or changed by
the settings that sentence-transformers saved. The new one has no class of its own, since some
classes of transformers build a tokenizer anew from its pieces.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from hexapla.errors import InputError
from hexapla.trim.vocabulary import refuse_kind

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def read_tokenizer(name: str, model: SentenceTransformer) -> dict[str, Any]:
    """Return the content of an encoder's tokenizer, without truncation and padding.

    Raises:
        InputError: The encoder has no tokenizer of the library tokenizers, or one that cannot be
            written down or trimmed.
    """
    from sentence_transformers.sentence_transformer.modules import Transformer

    backend = None
    if isinstance(model[0], Transformer):
        backend = getattr(model[0].processor, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            f"{name}: has no tokenizer.json, nor a tokenizer that can be made one, before a "
            "transformer; give such an encoder"
        )
    try:
        content: dict[str, Any] = json.loads(backend.to_str())
    except Exception as error:  # the library raises a bare Exception
        raise InputError(
            f"{name}: its tokenizer has a part in Python, which cannot be saved ({error}); give an "
            "encoder without"
        ) from error
    refuse_kind(name, content)
    return {**content, "truncation": None, "padding": None}


def make_tokenizer(content: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of a content."""
    return Tokenizer.from_str(json.dumps(content))


def replace_tokenizer(name: str, model: SentenceTransformer, content: Mapping[str, Any]) -> None:
    """Give an encoder another tokenizer, with the old one's special tokens and limits, in place.

    Raises:
        InputError: The library numbers pieces otherwise than the content says, or a special token
            is lost.
    """
    from transformers import PreTrainedTokenizerFast

    old = model.tokenizer
    backend = make_tokenizer(content)
    expected = {token["content"]: token["id"] for token in content["added_tokens"]}
    for token in [*expected, *old.all_special_tokens]:
        number = backend.token_to_id(token)
        if number is None or number != expected.get(token, number):
            raise InputError(
                f'{name}: its special token "{token}" would be lost or get the number of another '
                "piece; give an encoder whose special tokens are in its tokenizer.json"
            )
    model[0].processor = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=old.model_max_length,
        model_input_names=old.model_input_names,
        padding_side=old.padding_side,
        truncation_side=old.truncation_side,
        extra_special_tokens=list(old.extra_special_tokens),
        chat_template=old.chat_template,
        **old.special_tokens_map,
    )
