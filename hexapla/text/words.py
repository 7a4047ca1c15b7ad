"""A text -> its words, the same for all copies of a text.

Near-duplicates and evaluation sentences are recognised by these words. Case, punctuation, white
space, width and ligatures are folded away, because they change when a text is copied from one set
into another; letters, digits, accents, and mathematical and currency signs stay. A script written
without spaces gives one token per character, because finding its words takes a model.
"""

from __future__ import annotations

import unicodedata

import regex

_IDEOGRAMS = r"\p{Han}\p{Hiragana}\p{Katakana}"
_SYLLABLES = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_UNSPACED = _IDEOGRAMS + _SYLLABLES
# The first character of the Thai block; no script without spaces comes before it.
_BEFORE_UNSPACED = "\u0e00"
_TOKEN = regex.compile(
    # A character with its vowel signs and tone marks; ー lengthens a kana.
    rf"[[{_UNSPACED}]&&[\p{{L}}\p{{N}}]][\p{{M}}ー]*"
    rf"|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+#?"  # C and C# are two programming languages
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


def n_grams(words: list[str], n_words: int) -> set[str]:
    """Return the distinct runs of `n_words` words, each as one text; fewer words have none.

    In scripts without spaces a token is only a part of a word: two Chinese or Japanese characters
    count as a word, and four of Thai, Lao, Khmer, Burmese or Tibetan. Runs of eight characters
    would match set phrases ("...する必要はありません") instead of sentences, as did every one of
    83 matches in Japanese and Thai course texts.

    >>> sorted(n_grams(["we", "all", "sleep", "well"], 3))
    ['all sleep well', 'we all sleep']
    >>> sorted(n_grams(["我", "们", "都", "睡", "好"], 2))
    ['们 都 睡 好', '我 们 都 睡']
    """
    if not words or max(words) < _BEFORE_UNSPACED:
        return {" ".join(words[i : i + n_words]) for i in range(len(words) - n_words + 1)}
    quarters = [_quarters(word) for word in words]
    grams = set()
    end = total = 0
    for start, own in enumerate(quarters):
        while total < 4 * n_words and end < len(words):
            total += quarters[end]
            end += 1
        if total < 4 * n_words:
            break
        grams.add(" ".join(words[start:end]))
        total -= own
    return grams


def _quarters(word: str) -> int:
    if word < _BEFORE_UNSPACED:
        return 4
    return 2 if _IDEOGRAM.match(word) else 1 if _SYLLABLE.match(word) else 4
