"""A text -> its tokens, with everything folded away that changes when a text is copied from one set into another.

Near-duplicates and evaluation sentences are recognised by these tokens. Case, punctuation, white
space, width and ligatures go; letters, digits, accents and the signs of mathematics and money stay.
A script written without spaces gives a token per character, because to find its words takes a
model.
"""

from __future__ import annotations

import unicodedata

import regex

_IDEOGRAMS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_SYLLABLES = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_UNSPACED = _IDEOGRAMS + _SYLLABLES
_BEFORE_UNSPACED = (
    "\u0e00"  # the first character of the Thai block; no script without spaces comes before it
)
_TOKEN = regex.compile(
    # with its vowel signs and tone marks, ー the length of a kana
    rf"[[{_UNSPACED}]&&[\p{{L}}\p{{N}}]][\p{{M}}ー]*"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+#?"  # C and C# are two languages
    r"|[\p{Sm}\p{Sc}]",
    regex.VERSION1,
)
_IDEOGRAM = regex.compile(rf"[{_IDEOGRAMS}]")
_SYLLABLE = regex.compile(rf"[{_SYLLABLES}]")


def tokens(text: str) -> list[str]:
    """Return the tokens of `text`: NFKC, case folded, without punctuation and white space.

    >>> tokens("Ｓtep 1: Open the “Straße”!"), tokens("我是学生。")
    (['step', '1', 'open', 'the', 'strasse'], ['我', '是', '学', '生'])
    """
    found: list[str] = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    return found


def runs(words: list[str], n_words: int) -> set[str]:
    """Return every run of `n_words` tokens, each as one text; no run when there are fewer.

    In scripts without spaces a token is part of a word, so it takes more of them: two Chinese or
    Japanese characters count as a word, four of Thai, Lao, Khmer, Burmese or Tibetan. Runs of eight
    characters find set phrases ("...する必要はありません") and not sentences: of 83 such finds in Japanese
    and Thai course texts every one was.

    >>> sorted(runs(["we", "all", "sleep", "well"], 3))
    ['all sleep well', 'we all sleep']
    >>> sorted(runs(["我", "们", "都", "睡", "好"], 2))
    ['们 都 睡 好', '我 们 都 睡']
    """
    if not words or max(words) < _BEFORE_UNSPACED:
        return {" ".join(words[i : i + n_words]) for i in range(len(words) - n_words + 1)}
    quarters = [_quarters(word) for word in words]
    found = set()
    end = total = 0
    for start, own in enumerate(quarters):
        while total < 4 * n_words and end < len(words):
            total += quarters[end]
            end += 1
        if total < 4 * n_words:
            break
        found.add(" ".join(words[start:end]))
        total -= own
    return found


def _quarters(word: str) -> int:
    if word < _BEFORE_UNSPACED:
        return 4
    return 2 if _IDEOGRAM.match(word) else 1 if _SYLLABLE.match(word) else 4
