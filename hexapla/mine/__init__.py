"""Text in two languages -> bitext, from two collections or from a document and its translation.

`mine` goes from files to a file. In memory, `nearest` finds neighbours and `mine_pairs` chooses
pairs among them. `score` adds scores to given pairs. `align_documents` keeps the order of a
document.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
