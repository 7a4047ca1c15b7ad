"""The commands that make and show corpora from existing text: import, filter and inspect."""

from __future__ import annotations

from pathlib import Path

from hexapla.cli.options import State, console, print_size, say
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
    """It ends with what to type next. Nothing is loaded or fetched."""
    from hexapla.corpus.reader import SAMPLE
    from hexapla.corpus.tables import SUFFIXES
    from hexapla.encoder.locate import is_encoder, is_hub_name
    from hexapla.text.lines import ending

    is_corpus = config.folder == SAMPLE or ending(Path(config.folder)) in SUFFIXES
    if is_encoder(config.folder) or (not is_corpus and is_hub_name(config.folder)):
        from hexapla.encoder.encoder_screen import inspect_encoder

        screen = inspect_encoder(config.folder)
        screen.render(console())
        say(screen.next_step(config.folder))
        return
    from hexapla.corpus.inspect import inspect_corpus
    from hexapla.corpus.reader import open_corpus

    facts = inspect_corpus(open_corpus(config.folder, languages=config.languages))
    facts.render(console())
    say(facts.next_step(config.folder))
