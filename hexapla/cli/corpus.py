"""The commands that make and show corpora from existing text: import, filter and inspect."""

from __future__ import annotations

from hexapla.cli.options import State, console, print_size
from hexapla.corpus.config import InspectConfig
from hexapla.filters.config import FilterConfig
from hexapla.imports.config import ImportConfig


def import_(config: ImportConfig) -> None:
    """Rows of all files that have the same pivot text become one row."""
    from hexapla.imports import import_corpus

    import_corpus(config, quiet=State.quiet)
    print_size(config.out)


def filter_(config: FilterConfig) -> None:
    """Rejected cells lie in the new folder under rejected/."""
    from hexapla.filters import filter_corpus

    filter_corpus(config, quiet=State.quiet).render(console())
    print_size(config.out)


def inspect(config: InspectConfig) -> None:
    """An encoder is anything with a modules.json or config.json; else a corpus is expected."""
    from hexapla.encoder.locate import is_encoder

    if is_encoder(config.folder):
        from hexapla.encoder.encoder_card import inspect_encoder

        inspect_encoder(config.folder).render(console())
        return
    from hexapla.corpus.inspect import inspect_corpus
    from hexapla.corpus.reader import open_corpus

    inspect_corpus(open_corpus(config.folder, languages=config.languages)).render(console())
