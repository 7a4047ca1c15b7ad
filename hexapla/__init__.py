"""Hexapla: multi-way aligned sentence encoders, from plain text to measured result.

The stages are functions, each with its settings in a class:

    open_corpus, write_corpus           a corpus: rows of one meaning in many languages
    align, AlignConfig                  train an encoder on one
    evaluate, EvaluateConfig            measure an encoder; the scores print as a table
    compare, CompareConfig              what one encoder gains over another, with intervals
    MultiwayLoss, missing_as_empty      the loss in a trainer of your own

`help(hexapla.align)` and its like say the rest of each.

For example:

    from hexapla import AlignConfig, EvaluateConfig, align, evaluate

    align(AlignConfig(corpus="sample", encoder="tiny", out="aligned"))
    scores = evaluate(
        EvaluateConfig(encoder="aligned", suite="bitext", data="sample", out="scores")
    )
    print(scores)                       # means by task and group of languages
    scores.to_pandas()                  # a row for each score

The encoder is a folder of sentence-transformers: `SentenceTransformer("aligned")`. The commands of
`hexapla --help` do the same. Nothing heavy is imported until a name is used.
"""

import lazy_loader

__version__ = "0.1.0"

# Without __all__, for which help(hexapla) would print 1,700 lines of inherited methods.
__getattr__, __dir__, _ = lazy_loader.attach_stub(__name__, __file__)
