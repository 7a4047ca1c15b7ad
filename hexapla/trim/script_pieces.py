"""The pieces of a vocabulary that languages need whatever their texts are, by their characters."""

from __future__ import annotations

from collections.abc import Iterable

import regex
from tokenizers import decoders

from hexapla.text.scripts import scripts_of
from hexapla.trim.vocabulary import Vocabulary

_SPACE = "▁"  # how pieces of SentencePiece write one
_MARKS = r"\p{Script=Common}\p{Script=Inherited}"
_UNSPACED = {"Han", "Hiragana", "Katakana", "Bopomofo", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"}


def script_pieces(vocabulary: Vocabulary, languages: Iterable[str]) -> set[int]:
    """Return the pieces that are kept for the scripts of languages.

    These are the characters of the scripts, which spell what no other piece covers; what has no
    letter, such as numbers, punctuation and signs; and, in scripts without spaces between words,
    all pieces, because a sentence is cut there at places that lists of words do not show. (With the
    words of a list alone, 1 % of Japanese sentences kept their segmentation.)
    """
    scripts = {script for language in languages for script in scripts_of(language)}
    own, unspaced = (_alternatives(some) for some in (scripts, scripts & _UNSPACED))
    wanted = regex.compile(rf"[{own}]|[{unspaced}{_MARKS}]*", regex.V1)
    prefix = vocabulary.model.get("continuing_subword_prefix") or ""
    decoder = decoders.ByteLevel() if vocabulary.is_byte_level else None
    found = set()
    for piece, number in vocabulary.pieces.items():
        text = decoder.decode([piece]) if decoder else piece.replace(_SPACE, " ")
        if wanted.fullmatch(text.removeprefix(prefix).strip()):
            found.add(number)
    return found


def _alternatives(scripts: Iterable[str]) -> str:
    return "".join(rf"\p{{Script={script}}}" for script in sorted(scripts))
