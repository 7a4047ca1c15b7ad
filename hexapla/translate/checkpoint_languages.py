"""The languages of a checkpoint: those that it has tokens for, or the one pair that it translates.

No library complains about a language that a checkpoint lacks: its token becomes `<unk>`, and the
text comes out in some language. So languages are read from a vocabulary, and everything else is
refused. The vocabulary that decides is the tokenizer's. The names in the tokenizer's files serve
for a first check: they are known without loading a library, and they miss none of its tokens.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from hexapla.errors import InputError, did_you_mean
from hexapla.text import languages
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.language_codes import LanguageCodes
from hexapla.translate.language_tokens import (
    LAYOUTS,
    ONE_PAIR,
    Layout,
    codes_of_side,
    find_tokens,
    m2m100_tokens,
    pair_in_name,
)

_MAX_NAMED = 40  # languages, that an error lists


@dataclass(frozen=True)
class CheckpointLanguages:
    """The languages that a checkpoint translates from and into.

    Attributes:
        name: Name of the checkpoint.
        layout: How it names languages; None for a checkpoint of one pair.
        tokens: Each target's language token, by canonical code; empty for one pair.
        others: The tokens that the checkpoint has beside it, of targets that have several.
        sources: The codes that the source of a Marian may mean; empty where that is not stated.
        targets: The codes that the target of one pair may mean; empty where that is not stated.
    """

    name: str
    layout: Layout | None
    tokens: dict[str, str] = field(default_factory=dict)
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
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
        first: dict[str, str] = {}
        for code in targets:
            token = self.tokens.get(code, code)
            if first.setdefault(token, code) != code:
                raise InputError(
                    f"codes has {token} of {self.name} for {first[token]} and for {code}, so both "
                    "would get the same translations; give each its own"
                )
        lacking = [code for code in targets if code not in self.tokens]
        if lacking:
            named = ", ".join(
                f"{code} ({languages.name(code)}{self._nearest(code)})" for code in lacking
            )
            all_of_them = f": {', '.join(self.tokens)}" if len(self.tokens) <= _MAX_NAMED else ""
            raise InputError(
                f"{self.name} cannot translate into {named}; it has {len(self.tokens)} languages"
                f"{all_of_them}"
            )

    def choices(self, targets: Sequence[str]) -> str | None:
        """Say which tokens were taken where targets have several; None if none has."""
        chosen = [
            f"{code}: {self.tokens[code]} (not {', '.join(self.others[code])})"
            for code in targets
            if self.others.get(code)
        ]
        return f"{'; '.join(chosen)}; choose with --codes" if chosen else None

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
    vocabulary: Iterable[str],
    *,
    codes: Sequence[str],
    states_pair: bool,
    source: str | None,
    target: str | None,
) -> CheckpointLanguages:
    """Read the languages of a checkpoint.

    Args:
        files: Files of the checkpoint, whose name may hold a pair.
        vocabulary: The tokens that it knows.
        codes: Which token a language is to have, such as `por_Latn=pt_BR`.
        states_pair: Whether its tokenizer is of a kind that can state a pair.
        source: The source that its tokenizer states.
        target: The target that its tokenizer states.

    Raises:
        InputError: The vocabulary has no language token, although the family needs one, or it
            lacks one of `codes`.
    """
    known = set(vocabulary)
    layout, found = _find_layout(files, known, states_pair=states_pair)
    tokens = {code: of_code[0] for code, of_code in found.items()}
    tokens |= _chosen_tokens(files.name, codes, layout, known, found)
    others = {
        code: tuple(token for token in found[code] if token != tokens[code])
        for code in found
        if len(found[code]) > 1
    }
    if layout is not None and layout.family != "marian":
        return CheckpointLanguages(files.name, layout, tokens, others)
    names = (files.given, str(files.config.get("_name_or_path", "")))
    named = next((pair for name in names if (pair := pair_in_name(name))), ("", ""))
    return CheckpointLanguages(
        files.name,
        layout,
        tokens,
        others,
        sources=codes_of_side(source or named[0]),
        targets=() if layout else codes_of_side(target or named[1]),
    )


def languages_in_files(
    files: CheckpointFiles, codes: Sequence[str] = ()
) -> CheckpointLanguages | None:
    """Read the languages that the tokenizer's files name, without loading a library.

    Args:
        files: Files of the checkpoint.
        codes: Which token a language is to have, such as `por_Latn=pt_BR`.

    Returns:
        None where the files do not hold the whole vocabulary.

    Raises:
        InputError: As in `read_languages`.
    """
    vocabulary = files.named_tokens()
    if vocabulary is None:
        return None
    if files.model_type == "m2m_100" and (files.folder / "vocab.json").is_file():
        vocabulary |= set(m2m100_tokens())
    settings = files.tokenizer_settings()
    source, target = (_as_text(settings.get(key)) for key in ("source_lang", "target_lang"))
    return read_languages(
        files, vocabulary, codes=codes, states_pair=True, source=source, target=target
    )


def _chosen_tokens(
    name: str,
    codes: Sequence[str],
    layout: Layout | None,
    known: set[str],
    found: dict[str, list[str]],
) -> dict[str, str]:
    """Return the tokens that `codes` choose, by language."""
    chosen = {}
    for language, spelled in LanguageCodes.read(codes).by_language.items():
        if layout is None:
            raise InputError(
                f"codes has {language}={spelled}, but {name} has no language tokens; leave it out"
            )
        token = spelled if spelled in known else layout.form.format(spelled)
        if token not in known or not re.fullmatch(layout.pattern, token):
            has = (
                f"; of {language} it has {', '.join(found[language])}" if language in found else ""
            )
            raise InputError(
                f"codes has {language}={spelled}, but {name} has no language token {token}{has}"
            )
        chosen[language] = token
    return chosen


def _find_layout(
    files: CheckpointFiles, known: Collection[str], *, states_pair: bool
) -> tuple[Layout | None, dict[str, list[str]]]:
    """Find the layout that a vocabulary's language tokens follow, and these tokens by language."""
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
