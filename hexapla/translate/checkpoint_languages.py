"""The languages of a checkpoint: those that it has tokens for, or the one pair that it translates.

No library complains about a language that a checkpoint lacks: its token becomes `<unk>`, and the
text comes out in some language. So languages are read from a vocabulary, and everything else is
refused. The vocabulary that decides is the tokenizer's. The names in the tokenizer's files serve
for a first check: they are known without loading a library, and they miss none of its tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.language_tokens import (
    LAYOUTS,
    ONE_PAIR,
    Layout,
    find_tokens,
    m2m100_tokens,
    pair_in_name,
    possible_codes,
)


@dataclass(frozen=True)
class CheckpointLanguages:
    """The languages that a checkpoint translates from and into.

    Attributes:
        name: Name of the checkpoint.
        layout: How it names languages; None for a checkpoint of one pair.
        tokens: Each target's language token, by canonical code; empty for one pair.
        sources: The codes that the source of a Marian may mean; empty where that is not stated.
        targets: The codes that the target of one pair may mean; empty where that is not stated.
    """

    name: str
    layout: Layout | None
    tokens: dict[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def token_in_output(self) -> bool:
        """Whether the language token starts the output, and does not stand in the source."""
        return self.layout is not None and not self.layout.in_source

    def check_pivot(self, pivot: str) -> None:
        """Refuse a pivot that the checkpoint cannot translate from.

        Raises:
            InputError: The checkpoint translates from another language.
        """
        if self.token_in_output:
            if pivot not in self.tokens:
                raise InputError(f"{self.name} cannot translate from {pivot}{self._nearest(pivot)}")
        elif self.sources and pivot not in self.sources:
            raise InputError(
                f"{self.name} translates from {' or '.join(self.sources)}, not from {pivot}"
            )

    def check_targets(self, pivot: str, targets: Sequence[str]) -> None:
        """Refuse targets that the checkpoint cannot translate into.

        Raises:
            InputError: The checkpoint lacks a language, or has one and is asked for several.
        """
        if pivot in targets:
            raise InputError(f"target {pivot} is also the source; leave it out")
        if self.layout is None:
            self._check_pair(targets)
            return
        lacking = [code for code in targets if code not in self.tokens]
        if lacking:
            named = ", ".join(
                f"{code} ({languages.name(code)}{self._nearest(code)})" for code in lacking
            )
            raise InputError(
                f"{self.name} cannot translate into {named}; it has {len(self.tokens)} languages"
            )

    def unstated_pair(self) -> str | None:
        """Say what the checkpoint does not state about its pair; None if nothing is missing."""
        if self.layout is None and not (self.sources and self.targets):
            return "not stated by the checkpoint, taken as asked"
        if self.layout is not None and self.layout.family == "marian" and not self.sources:
            return "source not stated by the checkpoint, taken as asked"
        return None

    def _check_pair(self, targets: Sequence[str]) -> None:
        asked = tuple(dict.fromkeys(targets))
        if len(asked) != 1:
            raise InputError(
                f"{self.name} has no language tokens, so it translates into one language; asked "
                f"for {', '.join(asked) or 'none'}: use a multilingual checkpoint, or one "
                "translator for each language"
            )
        if self.targets and asked[0] not in self.targets:
            raise InputError(
                f"{self.name} translates into {' or '.join(self.targets)}, not into {asked[0]}"
            )

    def _nearest(self, code: str) -> str:
        """Name other scripts of a language, or the code that is spelled most like it."""
        same = [
            f"{other} = {languages.name(other)}" for other in self.tokens if other[:3] == code[:3]
        ]
        return f"; nearest: {', '.join(same)}" if same else did_you_mean(code, self.tokens)


def read_languages(
    files: CheckpointFiles,
    translator: str,
    vocabulary: Iterable[str],
    *,
    states_pair: bool,
    source: str | None,
    target: str | None,
) -> CheckpointLanguages:
    """Read the languages of a checkpoint.

    Args:
        files: Files of the checkpoint.
        translator: Its name or folder as given, which may hold a pair.
        vocabulary: The tokens that it knows.
        states_pair: Whether its tokenizer is of a kind that can state a pair.
        source: The source that its tokenizer states.
        target: The target that its tokenizer states.

    Raises:
        InputError: The vocabulary has no language token, although the family needs one.
    """
    layout, tokens = _find_layout(files, vocabulary, states_pair=states_pair)
    if layout is not None and layout.family != "marian":
        return CheckpointLanguages(files.name, layout, tokens)
    names = (translator, str(files.config.get("_name_or_path", "")))
    named = next((pair for name in names if (pair := pair_in_name(name))), ("", ""))
    return CheckpointLanguages(
        files.name,
        layout,
        tokens,
        sources=possible_codes(source or named[0]),
        targets=() if layout else possible_codes(target or named[1]),
    )


def languages_in_files(files: CheckpointFiles, translator: str) -> CheckpointLanguages | None:
    """Read the languages that the tokenizer's files name, without loading a library.

    Returns:
        None where the files do not hold the whole vocabulary.

    Raises:
        InputError: The vocabulary has no language token, although the family needs one.
    """
    vocabulary = files.named_tokens()
    if vocabulary is None:
        return None
    if files.model_type == "m2m_100" and (files.folder / "vocab.json").is_file():
        vocabulary |= set(m2m100_tokens())
    settings = files.tokenizer_settings()
    source, target = (_as_text(settings.get(key)) for key in ("source_lang", "target_lang"))
    return read_languages(
        files, translator, vocabulary, states_pair=True, source=source, target=target
    )


def _find_layout(
    files: CheckpointFiles, vocabulary: Iterable[str], *, states_pair: bool
) -> tuple[Layout | None, dict[str, str]]:
    """Find the layout that a vocabulary's language tokens follow, and these tokens."""
    known = list(vocabulary)
    layouts = LAYOUTS.get(files.model_type, ())
    if files.converted:
        layouts = tuple(dict.fromkeys(layout for group in LAYOUTS.values() for layout in group))
    for layout in layouts:
        tokens = find_tokens(layout, known)
        if tokens:
            _check_order(files, layout)
            return layout, tokens
    if files.model_type not in ONE_PAIR and not (files.converted and states_pair):
        examples = " or ".join(layout.example for layout in layouts)
        raise InputError(
            f"{files.name}: its tokenizer has no language token ({examples}), so every language "
            "would be read as <unk>; use a checkpoint with the tokenizer files of the original, "
            "tokenizer.json among them"
        )
    return None, {}


def _check_order(files: CheckpointFiles, layout: Layout) -> None:
    """Refuse an NLLB tokenizer that would be rebuilt from SentencePiece.

    Its `<mask>` comes before the languages and not after them, so each language gets the id of its
    neighbour.
    """
    if layout.family == "nllb" and not (files.folder / "tokenizer.json").is_file():
        raise InputError(
            f"{files.name}: has no tokenizer.json, and rebuilt from sentencepiece.bpe.model its "
            "language tokens may get other ids than the weights know; put the tokenizer.json of "
            "the original beside them"
        )


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None
