"""A translation checkpoint with its tokenizer: texts become token ids, and ids become texts.

In go the files of a checkpoint; its weights stay where they are. Texts get the language tokens of
the checkpoint's family, and a language that it lacks is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hexapla.errors import InputError
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.checkpoint_languages import read_languages
from hexapla.translate.checkpoint_tokenizer import (
    decode_texts,
    encode_texts,
    open_tokenizer,
    set_source_token,
)
from hexapla.translate.config import TranslatorConfig


class Checkpoint:
    """A checkpoint whose tokenizer is open and whose languages are known.

    Attributes:
        files: Its files.
        name: Hub name, or the last part of a folder's path.
        tokenizer: The tokenizer of transformers.
        languages: The languages that it translates from and into.

    Args:
        config: Its name and the pivot.
        files: Its files, where they have been opened before.

    Raises:
        InputError: It cannot be read, or it does not translate from the pivot.
    """

    def __init__(self, config: TranslatorConfig, files: CheckpointFiles | None = None) -> None:
        self._config = config
        self.files = files or CheckpointFiles(config)
        self.name = self.files.name
        self.tokenizer = open_tokenizer(self.files)
        unknown, size = self.tokenizer.unk_token_id, self.files.config.get("vocab_size")
        self.languages = read_languages(
            self.files,
            [token for token, i in self.ids.items() if i != unknown and (not size or i < size)],
            codes=config.codes,
            states_pair=hasattr(self.tokenizer, "source_lang"),
            source=getattr(self.tokenizer, "source_lang", None),
            target=getattr(self.tokenizer, "target_lang", None),
        )
        self.languages.check_pivot(config.pivot)
        if self.languages.token_in_output:
            set_source_token(self.tokenizer, self.languages.tokens[config.pivot], self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        # The hash of the weights travels along, so that the receiving process need not read them.
        return _reopen, (self._config, self.__dict__.get("fingerprint"))

    @cached_property
    def fingerprint(self) -> str:
        """The hash of weights, configuration and tokenizer. Fetches the weights."""
        return self.files.fingerprint()

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of every token."""
        return dict(self.tokenizer.get_vocab())

    @cached_property
    def pieces(self) -> list[str]:
        """The token of every id."""
        pieces: list[str] = self.tokenizer.convert_ids_to_tokens(
            list(range(max(self.ids.values()) + 1))
        )
        return pieces

    @property
    def family(self) -> str:
        """The family, such as "nllb"; empty for a checkpoint of one pair."""
        return self.languages.layout.family if self.languages.layout else ""

    @property
    def max_positions(self) -> int | None:
        """The longest input and output in tokens; None where positions are unlimited, as in T5."""
        if self.files.model_type in ("t5", "mt5", "umt5") or self.family == "madlad":
            return None
        is_marian = self.files.model_type == "marian" or self.family in ("marian", "")
        return int(self.files.config.get("max_position_embeddings", 512 if is_marian else 1024))

    def check(self, targets: Sequence[str]) -> None:
        """Refuse targets that it cannot translate into.

        Raises:
            InputError: It lacks a language, has one and is asked for several, or its tokenizer
                splits a language token.
        """
        self.languages.check_targets(self._config.pivot, targets)
        tokens = self.languages.tokens
        if self.languages.layout is None or self.languages.token_in_output:
            return
        for code in targets:
            if self.ids[tokens[code]] not in self.encode(["a"], code)[0]:
                raise InputError(
                    f"{self.name}: its tokenizer splits {tokens[code]} into pieces; add it as a "
                    "special token"
                )

    def encode(self, texts: Sequence[str], target: str) -> list[list[int]]:
        """Return each text's token ids, with all that the model expects around them."""
        if self.languages.layout and self.languages.layout.in_source:
            texts = [f"{self.languages.tokens[target]} {text}" for text in texts]
        elif self.files.model_type == "marian":
            # Its tokenizer takes what stands between >> and << at the start for a language.
            texts = [f" {text}" if text.startswith(">>") else text for text in texts]
        return encode_texts(self.tokenizer, texts)

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Turn ids back into texts; a space before punctuation, as in French, stays."""
        return decode_texts(self.tokenizer, ids)

    def prefix(self, target: str) -> str | None:
        """Return the token that the output starts with.

        Returns:
            None where the language token is in the source, or there is none.
        """
        return self.languages.tokens[target] if self.languages.token_in_output else None

    def weights(self) -> list[Path]:
        """Fetch the weights if they are on the Hub, and return their files."""
        return self.files.weights()

    def facts(self) -> dict[str, object]:
        """Return what the output depends on, except for the settings. Hashes the weights."""
        facts: dict[str, object] = {"name": self.name, "sha256": self.fingerprint}
        if self.files.revision:
            facts["revision"] = self.files.revision
        facts["family"] = self.family or f"{self.files.model_type}, one pair"
        if self._config.codes:
            facts["codes"] = list(self._config.codes)
        unstated = self.languages.unstated_pair()
        if unstated:
            facts["pair"] = unstated
        return facts


def _reopen(config: TranslatorConfig, fingerprint: str | None) -> Checkpoint:
    checkpoint = Checkpoint(config)
    if fingerprint:
        checkpoint.__dict__["fingerprint"] = fingerprint
    return checkpoint
