"""Text in two languages -> bitext: pairs found between two collections, or a document and its translation.

`mine` goes from files to a file; `nearest` finds neighbours and `mine_pairs` chooses among them, in
memory. `align_documents` keeps the order of a document.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
