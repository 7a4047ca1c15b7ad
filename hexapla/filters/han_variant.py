"""A filter on Simplified against Traditional Chinese, which no identifier of languages tells apart.

Measured on text of the right variant, it rejects none of 5,702 sentences and two of 187,361 strings
of programs. In the column of the other variant it rejects 97 to 99.9 % of whole sentences, 71 to
81 % of their first ten characters, two thirds of the strings, and 63 % of short Cantonese
sentences: the rest has fewer than two characters of one variant only. A sentence costs 1 to 2
microseconds (`benchmarks/han.py`).
"""

from __future__ import annotations

import re

from hexapla.filters.candidate import Amount, Candidate, Count, JudgedColumn, Scorer
from hexapla.runs.settings import settings
from hexapla.text import languages as codes
from hexapla.text.han_variants import OTHER_VARIANT, count_variant_characters, only_in
from hexapla.text.scripts import letters_of, scripts_of

_QUOTED = re.compile("「[^「」]{,10}」|『[^『』]{,10}』|《[^《》]{,10}》|“[^“”]{,10}”|‘[^‘’]{,10}’")


@settings
class HanVariant:
    """Traditional characters in a column of Simplified Chinese, or the reverse.

    Only characters that one of the two variants has count, which are about a third of a sentence.
    Up to ten characters in quotation marks do not count, nor does what the source has too: names
    are quoted in the variant of their owner.
    """

    most: Amount = 0.5
    """Maximum share (0 to 1) of the other variant's characters among those of only one variant."""
    least_characters: Count = 2
    """Minimum number of the other variant's characters for a cell to be rejected."""

    def scorer(self, column: JudgedColumn) -> Scorer | None:
        """Return the scorer, or None if the column is not in a variant of Chinese."""
        script = codes.script(column.language)
        if script not in OTHER_VARIANT:
            return None
        in_other = only_in()[OTHER_VARIANT[script]]
        source_in_han = "Han" in scripts_of(column.pivot)
        words = letters_of(column.language)

        def score(candidate: Candidate) -> float:
            if not in_other.search(candidate.text):
                return 0.0
            text = candidate.text
            if not source_in_han:
                for name in words.findall(candidate.source):
                    text = text.replace(name, "")
            unquoted = _QUOTED.sub("", text)
            n_own, n_other = count_variant_characters(
                unquoted if words.search(unquoted) else text, script
            )
            if n_other < max(self.least_characters, 1):
                return 0.0
            return n_other / (n_own + n_other)

        return score

    def accept(self, score: float) -> bool:
        """Accept at most `most`."""
        return score <= self.most
