"""Translations -> verdicts, and a second translation of the cells that were rejected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hexapla.filters import Chain, Verdict
from hexapla.translate.translator import Translation, Translator

_HOPELESS = ("empty", "source too long")  # problems that a second translation would have too


@dataclass(frozen=True)
class JudgedCells:
    """What the filters say of the cells of one language.

    Attributes:
        verdicts: Why each first translation was rejected; None if it was accepted.
        second: The second translations, by the place of the text.
        accepted: Those of the second translations that were accepted.
    """

    verdicts: list[Verdict | None]
    second: dict[int, Translation] = field(default_factory=dict)
    accepted: dict[int, Translation] = field(default_factory=dict)


class CellJudge:
    """Judges cells, and has those that are rejected translated once more.

    Args:
        chain: The filters, with what is normal in each column.
        translate_again: Returns a second translation of each (text, language).
    """

    def __init__(
        self,
        chain: Chain,
        translate_again: Callable[[Sequence[tuple[str, str]]], list[Translation]],
    ) -> None:
        self._chain, self._translate_again = chain, translate_again

    def judge(
        self, sources: Sequence[str], columns: Mapping[str, Sequence[Translation]]
    ) -> dict[str, JudgedCells]:
        """Return the judged cells of each language.

        Args:
            sources: The pivot cells.
            columns: The first translation of each source, by language.
        """
        judged = {
            language: JudgedCells(self._verdicts(language, sources, cells))
            for language, cells in columns.items()
        }
        rejected = [
            (language, place)
            for language, of_language in judged.items()
            for place, verdict in enumerate(of_language.verdicts)
            if verdict is not None and columns[language][place].problem not in _HOPELESS
        ]
        if rejected:
            pairs = [(sources[place], language) for language, place in rejected]
            for (language, place), cell in zip(rejected, self._translate_again(pairs), strict=True):
                judged[language].second[place] = cell
        for language, of_language in judged.items():
            self._accept(language, sources, of_language)
        return judged

    def _accept(self, language: str, sources: Sequence[str], judged: JudgedCells) -> None:
        """Note those second translations that the filters accept."""
        second = judged.second
        verdicts = self._verdicts(
            language, [sources[place] for place in second], [*second.values()]
        )
        for (place, cell), verdict in zip(second.items(), verdicts, strict=True):
            if verdict is None and cell.text is not None:
                judged.accepted[place] = cell

    def _verdicts(
        self, language: str, sources: Sequence[str], cells: Sequence[Translation]
    ) -> list[Verdict | None]:
        return self._chain.judge(
            language,
            sources,
            [cell.text for cell in cells],
            [cell.log_prob for cell in cells],
            [cell.problem for cell in cells],
        )


def ask_for(
    translator: Translator, pairs: Sequence[tuple[str, str]], retry: bool = False
) -> list[Translation]:
    """Return a translation of each (text, language)."""
    cells = translator.translate(
        [text for text, _ in pairs], [language for _, language in pairs], retry=retry
    )
    if len(cells) != len(pairs):
        raise RuntimeError(
            f"the translator returned {len(cells)} translations of {len(pairs)} texts"
        )
    return cells
