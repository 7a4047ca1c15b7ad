"""Text in two languages -> which of it says the same: bitext from two piles, or a document and its translation.

`mine` goes from files to a file; `nearest` finds neighbours and `mine_pairs` chooses among them, in
memory. `align_documents` keeps to the order of a document.
"""

from hexapla.mine.documents import AlignDocumentsConfig, Link, align_documents, link_sentences
from hexapla.mine.margin import Pairs, margin_scores, mine_pairs
from hexapla.mine.score_bitext import ScoreConfig, score
from hexapla.mine.search import Neighbours, nearest
from hexapla.mine.stage import MineConfig, mine

__all__ = [
    "AlignDocumentsConfig",
    "Link",
    "MineConfig",
    "Neighbours",
    "Pairs",
    "ScoreConfig",
    "align_documents",
    "link_sentences",
    "margin_scores",
    "mine",
    "mine_pairs",
    "nearest",
    "score",
]
