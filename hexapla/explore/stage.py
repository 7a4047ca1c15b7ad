"""An encoder and a corpus -> an explorer with the vectors before and after alignment, and its page.

All that can be wrong is checked before torch is imported: corpus, languages, address, encoders.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.alignment_record import base_of, read_alignment
from hexapla.encoder.check_encoder import OWN_POOLING, check_encoder
from hexapla.encoder.load import load_encoder
from hexapla.encoder.locate import RESULT, describe, is_bare, locate
from hexapla.encoder.vector_cache import VectorCache
from hexapla.errors import InputError
from hexapla.explore.config import ExploreConfig
from hexapla.explore.explore_page import build_page
from hexapla.explore.explorer import Explorer
from hexapla.explore.page_server import PageServer, open_socket
from hexapla.runs.loopback import is_loopback
from hexapla.runs.progress import Progress
from hexapla.runs.user_cache import cache_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

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
                model = load_encoder(encoder, **_loading(config, encoder))
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
            explorer.add(name, model, bar.advance, _vector_cache(config, encoder, model))
    return explorer


def _vector_cache(config: ExploreConfig, encoder: str, model: SentenceTransformer) -> VectorCache:
    """Open the vectors of an encoder that earlier starts left."""
    pooling = config.pooling if is_bare(encoder) else None
    return VectorCache(
        config.vectors or cache_folder(None) / "vectors",
        encoder_sha=describe(encoder).sha256 + (f"|{pooling}" if pooling else ""),
        max_tokens=model.max_seq_length,
        dtype=str(model.dtype).removeprefix("torch."),
    )


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
    open_socket(config).close()
    for encoder in filter(None, (config.encoder, config.before)):
        check_encoder(
            encoder,
            trust_remote_code=config.trust_remote_code,
            allow_pickle=config.allow_pickle,
        )
    encoders = [config.encoder, *filter(None, [config.before])]
    if config.pooling and not any(map(is_bare, encoders)):
        raise InputError(OWN_POOLING.format(name=config.encoder))
    return corpus


def _loading(config: ExploreConfig, encoder: str) -> dict[str, Any]:
    """Return how an encoder is loaded: the pooling is for one that has none.

    The base of an aligned encoder gets the prompt of the alignment.
    """
    prompt = config.prompt
    folder = locate(config.encoder)
    if prompt is None and folder is not None and encoder != config.encoder and not config.before:
        prompt = read_alignment(folder / RESULT).get("prompt")
    pooling = config.pooling if is_bare(encoder) else None
    return {**config.loading, "pooling": pooling, "prompt": prompt}


def _base_of(encoder: str) -> str | None:
    """Return what an encoder was aligned from, as its run.json says, or None."""
    folder = locate(encoder)
    return None if folder is None else base_of(folder)


def launch(
    explorer: Explorer,
    config: ExploreConfig,
    *,
    block: bool = True,
    announce: Callable[[str], object] = print,
) -> PageServer:
    """Serve the page at the address of the settings, and nowhere else.

    Args:
        explorer: As `open_explorer` returns it.
        config: Settings.
        block: Wait until interrupted, then close the page.
        announce: Called with the page's address once it is served.

    Returns:
        The server; its `close()` ends the page.

    Raises:
        InputError: The address or port cannot be used.
    """
    if not is_loopback(config.host):
        _log.warning(
            "the page listens on %s: whoever reaches this machine can read the corpus and query "
            "the encoder",
            config.host,
        )
    server = PageServer(build_page(explorer), config)
    announce(server.url)
    if block:
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            server.close()
    return server
