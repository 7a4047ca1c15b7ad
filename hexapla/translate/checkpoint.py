"""What a translation checkpoint is: its family, the languages it makes, and how its tokenizer is told about them.

In goes a Hub name or a folder, of transformers or already converted by CTranslate2; only its
configuration and its tokenizer are read. Out comes a `Checkpoint` that turns texts into tokens, and
ids back into texts, with the right language tokens. No library complains about a language that a
checkpoint lacks: the token becomes `<unk>` and the text comes out in some language. So languages
are read from the tokenizer's real vocabulary, and everything else is refused.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages
from hexapla.translate import checkpoint_files as files
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.language_tokens import (
    LAYOUTS,
    ONE_PAIR,
    Layout,
    find_tokens,
    pair_in_name,
    spoken,
)


class Checkpoint:
    """A checkpoint whose configuration and tokenizer are read and whose languages are known.

    Attributes:
        name: Hub name, or the last part of a folder's path.
        folder: Where its files are.
        revision: Commit of a Hub checkpoint.
        converted: Whether it is CTranslate2's.
        model_type: The family by transformers' name; empty where a converted one does not tell.
        tokenizer: The tokenizer of transformers.
        layout: How it names languages; None for a checkpoint of one pair.
        tokens: The language tokens of all languages that it makes, by canonical code; empty for one
            pair.
        sources: The codes that the source of a Marian may mean; empty where it does not say.
        targets: The same of the target of one pair.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        self._settings = config
        self.folder = files.open_folder(config.translator, config.revision)
        local = Path(config.translator).expanduser().is_dir()
        self.name = self.folder.resolve().name if local else config.translator
        self.revision = None if local else self.folder.name
        self.config = _read_config(self.folder, config.translator)
        self.converted = "model_type" not in self.config
        self.model_type = "" if self.converted else str(self.config["model_type"])
        if not self.converted:
            _check_architecture(self.name, self.model_type, self.config.get("architectures") or [])
        self.tokenizer = _open_tokenizer(self.folder, config.translator)
        self.layout, self.tokens = self._find_languages()
        self.sources, self.targets = self._read_pair()
        self._set_source()

    def __reduce__(self) -> tuple[Any, ...]:
        # The hash of the weights travels, so that a process which is sent this does not read them
        # again.
        return _reopen, (self._settings, self.__dict__.get("fingerprint"))

    @cached_property
    def fingerprint(self) -> str:
        """The hash of weights, configuration and tokenizer. Fetches the weights."""
        return files.fingerprint(self.folder, self.weights())

    def weights(self) -> list[Path]:
        """Fetch the weights, and return their files.

        Raises:
            InputError: There are none that may be loaded.
        """
        if self.converted:
            return [self.folder / files.CONVERTED]
        config = self._settings
        return files.weights(
            config.translator, self.folder, revision=self.revision, allow_pickle=config.allow_pickle
        )

    @property
    def positions(self) -> int | None:
        """The longest input and output in tokens; None where positions have no end, as in T5."""
        if self.model_type in ("t5", "mt5", "umt5") or (
            self.layout and self.layout.family == "madlad"
        ):
            return None
        marian = self.model_type == "marian" or (self.layout and self.layout.family == "marian")
        return int(
            self.config.get("max_position_embeddings", 512 if marian or not self.layout else 1024)
        )

    def check(self, targets: Sequence[str]) -> None:
        """Refuse languages that it does not make.

        Raises:
            InputError: It lacks a language, or makes one only and was asked for several.
        """
        if self._settings.pivot in targets:
            raise InputError(f"target {self._settings.pivot} is also the source; leave it out")
        if self.layout is None:
            self._check_pair(targets)
            return
        lacking = [code for code in targets if code not in self.tokens]
        if lacking:
            named = ", ".join(
                f"{code} ({languages.name(code)}{self._nearest(code)})" for code in lacking
            )
            raise InputError(
                f"{self.name} cannot translate into {named}; it makes {len(self.tokens)} languages"
            )
        for code in targets if self.layout.in_source else ():
            if self.ids[self.tokens[code]] not in self.encode(["a"], code)[0]:
                raise InputError(
                    f"{self.name}: its tokenizer breaks {self.tokens[code]} up; add it as a special token"
                )

    def encode(self, texts: Sequence[str], target: str) -> list[list[int]]:
        """Turn texts into the ids of their tokens, with all that the model expects around them."""
        if self.layout and self.layout.in_source:
            texts = [f"{self.tokens[target]} {text}" for text in texts]
        if self.tokenizer.is_fast:
            return [
                encoding.ids
                for encoding in self.tokenizer.backend_tokenizer.encode_batch_fast(list(texts))
            ]
        rows: list[list[int]] = self.tokenizer(
            list(texts), split_special_tokens=True, verbose=False
        ).input_ids
        return rows

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

    def decode(self, ids: Sequence[Sequence[int]]) -> list[str]:
        """Turn ids back into texts, as they are: a space before punctuation, as in French, stays."""
        if self.tokenizer.is_fast:
            texts = self.tokenizer.backend_tokenizer.decode_batch(
                [list(row) for row in ids], skip_special_tokens=True
            )
        else:
            texts = self.tokenizer.batch_decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        return [text.strip() for text in texts]

    def prefix(self, target: str) -> str | None:
        """Give the token that the output is to start with; None where the source holds it or there is none."""
        return None if self.layout is None or self.layout.in_source else self.tokens[target]

    def facts(self) -> dict[str, object]:
        """Return what the output depends on, but for the settings. Hashes the weights."""
        facts: dict[str, object] = {"name": self.name, "sha256": self.fingerprint}
        if self.revision:
            facts["revision"] = self.revision
        facts["family"] = self.layout.family if self.layout else f"{self.model_type}, one pair"
        told = self.layout is not None and not self.layout.in_source
        if self.layout is None and not (self.sources and self.targets):
            facts["pair"] = "not stated by the checkpoint, taken as asked"
        elif not told and not self.sources and self.layout and self.layout.family == "marian":
            facts["pair"] = "source not stated by the checkpoint, taken as asked"
        return facts

    def _find_languages(self) -> tuple[Layout | None, dict[str, str]]:
        """Find the language tokens that the tokenizer really has, and the layout that they follow."""
        self._register_languages()
        size = self.config.get("vocab_size")
        unknown = self.tokenizer.unk_token_id
        known = [token for token, i in self.ids.items() if i != unknown and (not size or i < size)]
        layouts = LAYOUTS.get(self.model_type, ())
        if self.converted:
            layouts = tuple(dict.fromkeys(layout for some in LAYOUTS.values() for layout in some))
        for layout in layouts:
            tokens = find_tokens(layout, known)
            if (
                tokens
                and layout.family == "nllb"
                and not (self.folder / "tokenizer.json").is_file()
            ):
                # Rebuilt from SentencePiece, <mask> comes before the languages and not after: each
                # is its neighbour.
                raise InputError(
                    f"{self.name}: has no tokenizer.json, and rebuilt from sentencepiece.bpe.model its language tokens "
                    "may get other ids than the weights know; put the tokenizer.json of the original beside them"
                )
            if tokens:
                return layout, tokens
        if self.model_type not in ONE_PAIR and not (
            self.converted and hasattr(self.tokenizer, "source_lang")
        ):
            form = (
                " or ".join(layout.example for layout in layouts)
                or "of a family that is known here"
            )
            raise InputError(
                f"{self.name}: its tokenizer has no language token ({form}), so every language would be read as <unk>; "
                "take a checkpoint with the tokenizer files of the original, tokenizer.json among them"
            )
        return None, {}

    def _register_languages(self) -> None:
        """Make an M2M100 tokenizer list its language tokens, whose ids it knows all the same.

        Transformers 5 registers only those that the files name; a conversion then stops at too
        small a vocabulary.
        """
        known: Mapping[str, int] = getattr(self.tokenizer, "lang_token_to_id", {})
        if set(known) <= set(self.tokenizer.get_vocab()):
            return
        self.tokenizer = _open_tokenizer(
            self.folder, self.name, additional_special_tokens=list(known)
        )
        if any(self.tokenizer.get_vocab().get(token) != number for token, number in known.items()):
            raise InputError(
                f"{self.name}: its tokenizer gives the language tokens other ids than its vocabulary does"
            )

    def _set_source(self) -> None:
        """Tell the tokenizer the source language, and see that it took it."""
        source = self._settings.pivot
        if self.tokenizer.is_fast:  # what tokenizer.json was saved with must not cut texts short
            self.tokenizer.backend_tokenizer.no_truncation()
            self.tokenizer.backend_tokenizer.no_padding()
        if self.layout is None or self.layout.in_source:
            if self.sources and source not in self.sources:
                raise InputError(
                    f"{self.name} translates from {' or '.join(self.sources)}, not from {source}"
                )
            return
        if source not in self.tokens:
            raise InputError(f"{self.name} cannot translate from {source}{self._nearest(source)}")
        token = self.tokens[source]
        if hasattr(type(self.tokenizer), "src_lang"):
            self.tokenizer.src_lang = token.strip("_")
        ids = self.encode(["a"], source)[0]
        if ids.count(self.ids[token]) != 1 or self.tokenizer.eos_token_id not in ids:
            raise InputError(
                f"{self.name}: its tokenizer, a {type(self.tokenizer).__name__}, does not put {token} beside a text; "
                "save it as the tokenizer of its family (NllbTokenizer, M2M100Tokenizer)"
            )
        if self.tokenizer.is_fast:  # a "</s>" or "deu_Latn" inside a text is text
            self.tokenizer.backend_tokenizer.encode_special_tokens = True

    def _read_pair(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Read source and target from what a checkpoint of one pair, or a Marian, says of itself, or from its name."""
        if self.layout and self.layout.family != "marian":
            return (), ()
        names = (self._settings.translator, str(self.config.get("_name_or_path", "")))
        named = next((pair for name in names if (pair := pair_in_name(name))), ("", ""))
        stated = (
            getattr(self.tokenizer, "source_lang", None),
            getattr(self.tokenizer, "target_lang", None),
        )
        source, target = (spoken(told or name) for told, name in zip(stated, named, strict=True))
        return source, () if self.layout else target

    def _check_pair(self, targets: Sequence[str]) -> None:
        asked = tuple(dict.fromkeys(targets))
        if len(asked) != 1:
            raise InputError(
                f"{self.name} has no language tokens, so it makes one language; asked for "
                f"{', '.join(asked) or 'none'}: take a multilingual checkpoint, or one translator for each language"
            )
        if self.targets and asked[0] not in self.targets:
            raise InputError(
                f"{self.name} translates into {' or '.join(self.targets)}, not into {asked[0]}"
            )

    def _nearest(self, code: str) -> str:
        same = [
            f"{other} = {languages.name(other)}" for other in self.tokens if other[:3] == code[:3]
        ]
        return f"; nearest: {', '.join(same)}" if same else did_you_mean(code, self.tokens)


def _reopen(config: TranslatorConfig, known: str | None) -> Checkpoint:
    checkpoint = Checkpoint(config)
    if known:
        checkpoint.__dict__["fingerprint"] = known
    return checkpoint


def _read_config(folder: Path, name: str) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"translator {name}: holds no config.json; give a translation checkpoint")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}); fetch it again") from error
    if not isinstance(config, dict) or not (
        "model_type" in config or (folder / files.CONVERTED).is_file()
    ):
        raise InputError(
            f"{path}: names no model_type, and there is no {files.CONVERTED} of CTranslate2 beside it"
        )
    return config


def _check_architecture(name: str, model_type: str, architectures: Sequence[str]) -> None:
    """Refuse what has no encoder and decoder for text, such as an XLM-R, a GPT, or the encoder of a T5 alone."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES

    found = MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.get(model_type, ())
    allowed = {found} if isinstance(found, str) else set(found)
    if not allowed or (architectures and not allowed & set(architectures)):
        raise InputError(
            f"{name} is a {', '.join(architectures) or model_type}, which does not translate; give a "
            "sequence-to-sequence checkpoint (NLLB, M2M100, MADLAD, OPUS-MT), or an endpoint with --backend openai"
        )


def _open_tokenizer(folder: Path, name: str, **settings: Any) -> Any:
    from transformers import AutoTokenizer

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, **settings)
    except ImportError as error:
        raise InputError(
            f"{name}: its tokenizer needs more: pip install 'hexapla[translate]' ({error})"
        ) from error
    except Exception as error:  # the tokenizers library raises nothing narrower
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: its tokenizer cannot be read ({type(error).__name__}: {reason})"
        ) from error
