"""Text in two languages -> which of it says the same: sentence alignment of a document and its translation."""

from hexapla.mine.documents import AlignDocumentsConfig, Link, align_documents, link_sentences

__all__ = ["AlignDocumentsConfig", "Link", "align_documents", "link_sentences"]
