"""An encoder and languages -> the same encoder with only the pieces that the languages use.

Half to four fifths of a multilingual encoder's weights are a table with a row for each piece of a
hundred languages. Leaving rows out changes no vector of a text whose pieces are all kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.base_names import hub_name
from hexapla.encoder.kind import was_bare
from hexapla.encoder.locate import (
    RESULT,
    TRIMMED,
    cached_folder,
    encoder_files,
    hash_encoder,
    is_bare,
)
from hexapla.runs.atomic import write_json
from hexapla.runs.disk_errors import AGAIN
from hexapla.runs.record import write_record
from hexapla.runs.run_folder import hold_run, remove_run
from hexapla.trim.check_trim import CheckedTrim, check_trim, check_trim_folder
from hexapla.trim.config import TrimConfig
from hexapla.trim.trim_card import trim_section

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from hexapla.trim.vocabulary import Vocabulary


def trim(config: TrimConfig, *, quiet: bool = False) -> dict[str, Any]:
    """Keep the pieces of a vocabulary that languages use, with their rows of the embeddings.

    Kept are the pieces of the corpora's cells and of the languages' most frequent words, the
    characters of their scripts, numbers, punctuation, and all special tokens. Numbers are given
    anew, in the old order.

    Args:
        config: Settings.
        quiet: Show no progress.

    Returns:
        The content of `trim.json`: sizes before and after, and what changes on held-out rows.

    Raises:
        InputError: Settings, encoder, corpora or output folder cannot be used.
    """
    checked = check_trim(config)
    with hold_run(config.out, AGAIN, worthless=(".encoder/*",)):
        check_trim_folder(config)  # again, now that no other run can write there
        return _trim(config, checked, quiet=quiet)


def _trim(config: TrimConfig, checked: CheckedTrim, *, quiet: bool) -> dict[str, Any]:
    """Trim in a folder that is locked and checked."""
    # These import torch.
    from hexapla.encoder.load import load_encoder, training_prompt
    from hexapla.encoder.save import ENCODER_FILES
    from hexapla.trim.changes import measure_changes, read_held_out
    from hexapla.trim.embedding_rows import keep_rows
    from hexapla.trim.tokenizer_content import make_tokenizer, read_tokenizer, replace_tokenizer
    from hexapla.trim.vocabulary import Vocabulary

    started = time.monotonic()
    model = load_encoder(config.encoder, **config.loading)
    vocabulary = Vocabulary(read_tokenizer(config.encoder, model))
    before = _sizes(model)
    kept = _choose(config, checked, model, vocabulary, quiet=quiet)
    content, order = vocabulary.cut(kept)
    held_out = read_held_out(model, checked.held_out, quiet=quiet)

    replace_tokenizer(config.encoder, model, content)
    keep_rows(config.encoder, model, order)
    if config.overwrite:
        remove_run(config.out, ENCODER_FILES)
    write_record(config.out, "trim", checked.record)
    tokenizers = make_tokenizer(vocabulary.content), make_tokenizer(content)
    prompt = training_prompt(model)
    measured = [measure_changes(model, each, tokenizers, order, prompt) for each in held_out]

    folder = checked.folder or cached_folder(config.encoder)
    after = _sizes(model)
    record = {
        **_sources(config, checked),
        **{key: {"before": before[key], "after": after[key]} for key in before},
        "files_mib": {"before": _files_mib(folder) if folder else None},
        "held_out": measured,
        "seconds": round(time.monotonic() - started, 1),
    }
    return _save(model, config.out, folder, checked.alignment, record)


def _sources(config: TrimConfig, checked: CheckedTrim) -> dict[str, Any]:
    """Return what an encoder was trimmed from, and for what."""
    return {
        "encoder": checked.facts.name,
        "encoder_sha256": checked.facts.sha256,
        "base_model": hub_name(config.encoder),
        "bare": is_bare(config.encoder) or was_bare(config.encoder),
        "languages": list(config.languages),
        "corpora": [{"name": each.name, "sha256": each.sha256} for each in checked.corpora],
        "listed": list(checked.listed),
        "words": config.words,
        "min_count": config.min_count,
    }


def _choose(
    config: TrimConfig,
    checked: CheckedTrim,
    model: SentenceTransformer,
    vocabulary: Vocabulary,
    *,
    quiet: bool,
) -> set[int]:
    """Return the numbers of the pieces to keep."""
    from hexapla.encoder.load import training_prompt
    from hexapla.trim.embedding_rows import named_numbers
    from hexapla.trim.script_pieces import script_pieces
    from hexapla.trim.tokenizer_content import make_tokenizer
    from hexapla.trim.used_pieces import corpus_pieces, count_pieces, listed_pieces

    tokenizer = make_tokenizer(vocabulary.content)
    prompt = training_prompt(model)
    counts = corpus_pieces(tokenizer, checked.sources, prompt, quiet=quiet)
    kept = {number for number, count in counts.items() if count >= config.min_count}
    kept |= listed_pieces(tokenizer, checked.listed, config.words, quiet=quiet)
    kept |= set(count_pieces(tokenizer, filter(None, model.prompts.values())))
    kept |= script_pieces(vocabulary, config.languages)
    kept |= vocabulary.indispensable() | (named_numbers(model) & vocabulary.numbers)
    return vocabulary.closed(kept)


def _sizes(model: SentenceTransformer) -> dict[str, float]:
    """Return the number of pieces and of weights, and what weights take as they are loaded."""
    weights = list(model.parameters())
    n_bytes = sum(weight.numel() * weight.element_size() for weight in weights)
    return {
        "pieces": len(model.tokenizer),
        "weights": sum(weight.numel() for weight in weights),
        "memory_mib": n_bytes / 2**20,
    }


def _files_mib(folder: Path) -> float:
    return sum(path.stat().st_size for path in encoder_files(folder)) / 2**20


def _save(
    model: SentenceTransformer,
    out: Path,
    source: Path | None,
    alignment: Mapping[str, Any],
    record: dict[str, Any],
) -> dict[str, Any]:
    """Write the encoder, the record of its alignment if it has one, and `trim.json` last."""
    from hexapla.encoder.encoder_card import insert_section
    from hexapla.encoder.save import describe_example, save_files
    from hexapla.trim.embedding_rows import restore_type

    def complete_card(card: Path) -> None:
        record["files_mib"]["after"] = _files_mib(card.parent)
        insert_section(card, trim_section(record))

    restore_type(model, source)
    describe_example(model, alignment.get("example") or ())
    model.model_card_data.base_model = record["base_model"]
    save_files(model, out, record["languages"], complete_card)
    sha256 = hash_encoder(out)
    if alignment:
        write_json(out / RESULT, {**alignment, "sha256": sha256})
    write_json(out / TRIMMED, {**record, "sha256": sha256})
    return {**record, "sha256": sha256}
