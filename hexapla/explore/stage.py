"""An encoder and a corpus -> an explorer with the vectors before and after alignment, and its page.

All that can be wrong is checked before torch is imported: corpus, languages, address, encoders.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.alignment_record import AlignRun
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import locate
from hexapla.errors import InputError
from hexapla.explore.config import ExploreConfig
from hexapla.explore.explore_page import build_page, serve
from hexapla.explore.explorer import Explorer
from hexapla.runs.progress import Progress
from hexapla.runs.record import read_record

if TYPE_CHECKING:
    import gradio as gr

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_log = logging.getLogger(__name__)


def open_explorer(config: ExploreConfig, *, quiet: bool = False) -> Explorer:
    """Check the settings, load the encoders and encode the corpus.

    Args:
        config: Settings.
        quiet: Show no progress.

    Raises:
        InputError: A corpus, language, encoder or address cannot be used.
    """
    corpus = _check(config)
    explorer = Explorer(corpus, rows=config.rows, languages=config.languages or corpus.languages)
    before = config.before or _base_of(config.encoder)
    encoders = {"before": before} if before else {}
    with Progress(quiet=quiet) as progress:
        for name, encoder in {**encoders, "after": config.encoder}.items():
            try:
                model = load_encoder(
                    encoder,
                    trust_remote_code=config.trust_remote_code,
                    allow_pickle=config.allow_pickle,
                )
            except InputError:
                if name == "after" or config.before is not None:
                    raise
                _log.info(
                    "%s was aligned from %s, which cannot be loaded here; it is shown alone",
                    config.encoder,
                    encoder,
                )
                continue
            bar = progress.add(f"encoding with {encoder}", len(explorer.texts), unit="texts")
            explorer.add(name, model, advance=bar.advance)
    return explorer


def _check(config: ExploreConfig) -> Corpus:
    """Open the corpus, and refuse settings that cannot be used, before an encoder is loaded."""
    if find_spec("gradio") is None:
        raise InputError(
            "the page needs the library gradio; install it with: pip install 'hexapla[explore]'"
        )
    corpus = open_corpus(config.corpus)
    if absent := [code for code in config.languages or () if code not in corpus.languages]:
        raise InputError(
            f"{config.corpus} has no {', '.join(absent)}; it has {', '.join(corpus.languages)}"
        )
    _check_address(config)
    for encoder in filter(None, (config.encoder, config.before)):
        check_encoder(
            encoder,
            trust_remote_code=config.trust_remote_code,
            allow_pickle=config.allow_pickle,
        )
    return corpus


def _check_address(config: ExploreConfig) -> None:
    """Refuse an address or port that is taken or not allowed."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise InputError(
                f"port {config.port} of {config.host} cannot be used ({error.strerror}); "
                "give another --port, or 0 for any free one"
            ) from error


def _base_of(encoder: str) -> str | None:
    """Return what an encoder was aligned from, as its run.json says, or None."""
    folder = locate(encoder)
    if folder is None:
        return None
    base: str | None = read_record(folder, AlignRun).get("config", {}).get("encoder")
    return base or None


def launch(
    explorer: Explorer,
    config: ExploreConfig,
    *,
    block: bool = True,
    announce: Callable[[str], object] = print,
) -> gr.Blocks:
    """Serve the page at the address of the settings, and nowhere else.

    Args:
        explorer: As `open_explorer` returns it.
        config: Settings.
        block: Wait until interrupted, then close the page.
        announce: Called with the page's address once it is served.

    Returns:
        Gradio's blocks; their `close()` ends the page.
    """
    if config.host not in LOOPBACK:
        _log.warning(
            "the page listens on %s: whoever reaches this machine can read the corpus and query "
            "the encoder",
            config.host,
        )
    return serve(build_page(explorer), config, block=block, announce=announce)
