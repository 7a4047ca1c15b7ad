"""Text in two languages -> which of it says the same: bitext from two piles, or a document and its translation.

`nearest` finds neighbours, `mine_pairs` chooses among them; `align_documents` keeps to the order of a document.
"""

from hexapla.mine.documents import AlignDocumentsConfig, Link, align_documents, link_sentences
from hexapla.mine.margin import Pairs, margin_scores, mine_pairs
from hexapla.mine.search import Neighbours, nearest

__all__ = [
    "AlignDocumentsConfig", "Link", "Neighbours", "Pairs", "align_documents", "link_sentences", "margin_scores",
    "mine_pairs", "nearest",
]  # fmt: skip
