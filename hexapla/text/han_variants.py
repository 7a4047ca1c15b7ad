"""Simplified against Traditional Chinese: characters that only one of the two has, in a text.

`data/han_variants.tsv` lists 2,633 Simplified and 3,739 Traditional characters. It leaves out those
that both variants have, such as 后, 里, 干, 台 and 只, and Simplified ones that Taiwan or Hong Kong
write too. Japanese has characters of both lists and must not be judged.

The table is made by `recipes/make_han_variants.py` from the tables of OpenCC (Apache-2.0,
https://github.com/BYVoid/OpenCC).
"""

from __future__ import annotations

import re
from functools import lru_cache

OTHER_VARIANT = {"Hans": "Hant", "Hant": "Hans"}
"""The other variant, by the ISO 15924 code of each."""


@lru_cache(maxsize=1)
def only_in() -> dict[str, re.Pattern[str]]:
    """Return the pattern of the characters that only one variant has, by its ISO 15924 code.

    >>> only_in()["Hans"].findall("他们说汉语。"), only_in()["Hant"].findall("他們說漢語。")
    (['们', '说', '汉', '语'], ['們', '說', '漢', '語'])
    """
    from importlib import resources

    table = resources.files("hexapla").joinpath("data", "han_variants.tsv")
    characters = dict.fromkeys(OTHER_VARIANT, "")
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        script, listed = line.split("\t")
        characters[script] += listed
    return {script: re.compile(f"[{listed}]") for script, listed in characters.items()}


def count_variant_characters(text: str, script: str) -> tuple[int, int]:
    """Count the characters that only a variant has, and those that only the other one has.

    Args:
        text: Text in Chinese.
        script: The variant, "Hans" or "Hant".

    >>> count_variant_characters("他们说漢語。", "Hans")
    (2, 2)
    """
    patterns = only_in()
    return len(patterns[script].findall(text)), len(patterns[OTHER_VARIANT[script]].findall(text))
