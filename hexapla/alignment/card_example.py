"""Rows of a corpus -> the sentences with which a model card shows how its encoder is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EXAMPLE_ROWS = 500
"""Rows to look at; one of so many nearly always has a sentence of middle size."""

_MIN_SIZE, _MAX_SIZE = 20, 120  # characters: neither a word nor a paragraph


def card_example(columns: Mapping[str, Sequence[str | None]], pivot: str) -> list[str]:
    """Return a pivot text, its translation, and the pivot text of another row.

    Args:
        columns: Cells by language, those of a row in the same place in each.
        pivot: The pivot; its cells are never missing.

    Returns:
        The first sentences of middle size, or the first of any; fewer if there are no more.

    >>> card_example({"eng_Latn": ["One.", "Two.", "Six."], "deu_Latn": [None, "Zwei.", ""]},
    ...              "eng_Latn")
    ['Two.', 'Zwei.', 'One.']
    """
    others = [language for language in columns if language != pivot]
    pivots = [(row, text) for row, text in enumerate(columns[pivot]) if text]
    pivots.sort(key=lambda item: not _MIN_SIZE <= len(item[1]) <= _MAX_SIZE)  # keeps the order
    pairs = (
        (text, translation)
        for row, text in pivots
        for language in others
        if (translation := columns[language][row]) and translation != text
    )
    pair = next(pairs, tuple(text for _, text in pivots[:1]))
    another = next((text for _, text in pivots if text not in pair), None)
    return [*pair, *([another] if another else [])]
