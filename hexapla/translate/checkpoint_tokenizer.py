"""Open the tokenizer of a checkpoint, so that each text keeps its length and its language token.

In goes the folder of a checkpoint, out comes a tokenizer of transformers. What the library would
do without a word, and what would change a translation, is put right or refused here.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hexapla.encoder.check_weights import is_panic
from hexapla.errors import InputError
from hexapla.translate.checkpoint_files import CheckpointFiles


def open_tokenizer(files: CheckpointFiles) -> Any:
    """Open the tokenizer, with the language tokens of an M2M100 in its vocabulary.

    Transformers 5 registers only the language tokens that the files name; a conversion then stops
    at too small a vocabulary, although the tokenizer knows the ids of all.

    Raises:
        InputError: It cannot be read, needs a library that is missing, lacks a special token, or
            its ids disagree.
    """
    tokenizer = _load(files.folder, files.name)
    ids: Mapping[str, int] = getattr(tokenizer, "lang_token_to_id", {})
    if not set(ids) <= set(tokenizer.get_vocab()):
        tokenizer = _load(files.folder, files.name, additional_special_tokens=list(ids))
        vocabulary = tokenizer.get_vocab()
        if any(vocabulary.get(token) != number for token, number in ids.items()):
            raise InputError(
                f"{files.name}: its tokenizer gives the language tokens other ids than its "
                "vocabulary does"
            )
    _check_special_tokens(tokenizer, files.name)
    if tokenizer.is_fast:  # what tokenizer.json was saved with must not cut texts short
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def set_source_token(tokenizer: Any, token: str, name: str) -> None:
    """Make a tokenizer put the language token of the source beside each text.

    Args:
        tokenizer: A tokenizer of NLLB or M2M100.
        token: The token of the source language.
        name: Name of the checkpoint, for the error.

    Raises:
        InputError: The tokenizer does not put it there, or does not end the text.
    """
    if hasattr(type(tokenizer), "src_lang"):
        tokenizer.src_lang = token.strip("_")
    ids = encode_texts(tokenizer, ["a"])[0]
    if ids.count(tokenizer.get_vocab()[token]) != 1 or tokenizer.eos_token_id not in ids:
        raise InputError(
            f"{name}: its tokenizer, a {type(tokenizer).__name__}, does not put {token} beside a "
            "text; save it as the tokenizer of its family (NllbTokenizer, M2M100Tokenizer)"
        )
    if tokenizer.is_fast:  # a "</s>" or "deu_Latn" inside a text is text
        tokenizer.backend_tokenizer.encode_special_tokens = True


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return each text's ids, special tokens around it included and none read inside it."""
    if tokenizer.is_fast:
        encodings = tokenizer.backend_tokenizer.encode_batch_fast(list(texts))
        return [encoding.ids for encoding in encodings]
    rows: list[list[int]] = tokenizer(
        list(texts), split_special_tokens=True, verbose=False
    ).input_ids
    return rows


def decode_texts(tokenizer: Any, ids: Sequence[Sequence[int]]) -> list[str]:
    """Turn ids back into texts; a space before punctuation, as in French, stays."""
    if tokenizer.is_fast:
        rows = [list(row) for row in ids]
        texts = tokenizer.backend_tokenizer.decode_batch(rows, skip_special_tokens=True)
    else:
        texts = tokenizer.batch_decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
    return [text.strip() for text in texts]


def _check_special_tokens(tokenizer: Any, name: str) -> None:
    for kind in ("pad", "eos", "unk"):
        if getattr(tokenizer, f"{kind}_token_id") is None:
            raise InputError(
                f"{name}: its tokenizer has no {kind}_token; give the tokenizer_config.json of the "
                "original"
            )


def _load(folder: Path, name: str, **settings: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, **settings)
    except ImportError as error:
        raise InputError(
            f"{name}: its tokenizer needs more: pip install 'hexapla[translate]' ({error})"
        ) from error
    except BaseException as error:  # the tokenizers library raises nothing narrower
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: its tokenizer cannot be read ({type(error).__name__}: {reason})"
        ) from error
