"""The settings of a trim -> all that can be known and refused before an encoder is loaded.

Nothing here imports torch.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.alignment_record import AlignRun, read_alignment
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.locate import (
    RESULT,
    TRIMMED,
    EncoderFacts,
    describe,
    read_json_object,
    read_modules,
)
from hexapla.errors import InputError
from hexapla.runs.record import check_apart, check_run_folder, read_record
from hexapla.runs.settings import identity
from hexapla.text import languages as codes
from hexapla.trim.config import TrimConfig
from hexapla.trim.vocabulary import refuse_kind
from hexapla.trim.word_lists import INSTALL, are_installed, has_words

_log = logging.getLogger(__name__)
_TOKENIZER = "tokenizer.json"
# What an alignment's record says of the corpus it was trained on, for later contamination checks.
_OF_ALIGNMENT = ("corpus", "languages", "held_out")


@dataclass(frozen=True, kw_only=True)
class CheckedTrim:
    """An encoder that can be trimmed, as far as its files show, and where words come from.

    Attributes:
        folder: The encoder's folder; None for one on the Hub.
        facts: What is known of the encoder.
        alignment: Its `align.json`; empty if it has none.
        corpora: The corpora, with those of their columns that are in the languages.
        sources: Their rows to take pieces from.
        held_out: Their rows to measure changes on; none without a share.
        listed: The languages that a word list is read of.
        record: The settings, for `run.json`.
    """

    folder: Path | None
    facts: EncoderFacts
    alignment: dict[str, Any]
    corpora: tuple[Corpus, ...]
    sources: tuple[Corpus, ...]
    held_out: tuple[Corpus, ...]
    listed: tuple[str, ...]
    record: dict[str, Any]


def check_trim(config: TrimConfig) -> CheckedTrim:
    """Check encoder, corpora, word lists and output folder against the settings.

    Raises:
        InputError: One of them cannot be used.
    """
    folder = check_encoder(
        config.encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
        has_pooling=config.pooling is not None,
    )
    corpora_at = {f"corpus {name}": name for name in config.corpus}
    check_apart(config.out, {"encoder": folder, **corpora_at})
    check_trim_folder(config)
    if folder is not None:
        _check_tokenizer(config.encoder, folder)
    corpora = tuple(_open(name, config.languages) for name in config.corpus)
    listed = _listed(config, {language for corpus in corpora for language in corpus.languages})
    splits = [corpus.split(config.held_out) for corpus in corpora]
    facts = describe(config.encoder)
    alignment = read_alignment(folder / RESULT) if folder is not None else {}
    return CheckedTrim(
        folder=folder,
        facts=facts,
        alignment=alignment,
        corpora=corpora,
        sources=tuple(kept for kept, _ in splits),
        held_out=tuple(held_out for _, held_out in splits if config.held_out),
        listed=listed,
        record=_record(config, folder, facts, corpora),
    )


def check_trim_folder(config: TrimConfig) -> None:
    """Check that a trim may use the output folder.

    Raises:
        InputError: The folder cannot be used.
    """
    check_run_folder(config.out, "trim", {}, done=TRIMMED, resume=None, overwrite=config.overwrite)


def _check_tokenizer(name: str, folder: Path) -> None:
    """Refuse adapters, and a tokenizer of another kind.

    An older encoder may have no `tokenizer.json`; whether the library can make one of its other
    files shows when it is loaded.
    """
    if adapters := sorted(folder.rglob("adapter_config.json")):
        raise InputError(
            f"{name}: has LoRA adapters beside its weights ({adapters[0].name}), which trim would "
            "leave behind; merge them into the weights first (PeftModel.merge_and_unload)"
        )
    modules = read_modules(folder)
    inside = folder / modules[0]["path"] if modules else folder
    if (inside / _TOKENIZER).is_file():
        refuse_kind(name, read_json_object(inside / _TOKENIZER))


def _open(name: str, languages: tuple[str, ...]) -> Corpus:
    """Open the columns of a corpus that are in the languages."""
    whole = open_corpus(name)
    shared = tuple(language for language in whole.languages if language in languages)
    if not shared:
        raise InputError(
            f"{name}: has none of {', '.join(languages)}, but {', '.join(whole.languages)}; leave "
            "it out (--corpus), or name one of its languages (--languages)"
        )
    return dataclasses.replace(whole, languages=shared)


def _listed(config: TrimConfig, in_corpora: set[str]) -> tuple[str, ...]:
    """Return the languages to read word lists of; refuse a language without any text.

    Raises:
        InputError: A language has neither a word list nor a column.
    """
    listed = tuple(lang for lang in config.languages if config.words and has_words(lang))
    missing = [lang for lang in config.languages if lang not in {*listed, *in_corpora}]
    if missing:
        names = ", ".join(f"{language} ({codes.name(language)})" for language in missing)
        if config.words and not are_installed():
            way = f"install word lists with: {INSTALL}, or give a corpus with such a column"
        elif config.words:
            way = "wordfreq has no list of its words, so give a corpus with such a column"
        else:
            way = "give a corpus with such a column, or words (--words)"
        raise InputError(f"no text in {names}; {way} (--corpus)")
    unlisted = [language for language in config.languages if language not in listed]
    if config.words and unlisted:
        why = "" if are_installed() else f"; install word lists with: {INSTALL}"
        _log.warning(
            "%s: no word list, so only what the corpora have is kept%s", ", ".join(unlisted), why
        )
    return listed


def _record(
    config: TrimConfig, folder: Path | None, facts: EncoderFacts, corpora: tuple[Corpus, ...]
) -> dict[str, Any]:
    """Return the settings under keys that say nothing else where an alignment's record is read."""
    settings = identity(config)
    before = read_record(folder, AlignRun).get("config", {}) if folder is not None else {}
    return {
        **{key: before[key] for key in _OF_ALIGNMENT if key in before},
        "encoder": settings.pop("encoder"),
        "encoder_sha256": facts.sha256,
        "trim": {**settings, "corpus_sha256": [corpus.sha256 for corpus in corpora]},
    }
