"""An encoder and a corpus -> an explorer with the vectors before and after alignment, and its page.

All that can be wrong is checked before torch is imported: corpus, languages, address, encoders. The
page is served before the encoders are loaded, which takes longer than all else of a further start.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.alignment_record import base_of, read_alignment
from hexapla.encoder.check_encoder import OWN_POOLING, check_encoder
from hexapla.encoder.kind import e5_prompt
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

_log = logging.getLogger(__name__)


def open_explorer(config: ExploreConfig) -> Explorer:
    """Check the settings, and read the corpus and the vectors that earlier starts left.

    Encoders are loaded by `load_encoders`, or by the first query that needs them.

    Args:
        config: Settings.

    Raises:
        InputError: A corpus, language, encoder or address cannot be used.
    """
    corpus = _check(config)
    explorer = Explorer(corpus, rows=config.rows, languages=config.languages or corpus.languages)
    if not explorer.texts:
        raise InputError(f"{config.corpus}: its first {explorer.n_rows:,} rows have no text")
    for name, encoder in _encoders(config).items():
        try:
            _add(explorer, name, encoder, config)
        except InputError:
            if not _can_lack(name, config):
                raise
            _log_lack(encoder, config)
    return explorer


def load_encoders(explorer: Explorer, config: ExploreConfig, *, quiet: bool = False) -> None:
    """Load the encoders of an explorer, and encode what has no vector yet.

    Args:
        explorer: As `open_explorer` returns it.
        config: The settings that it was opened with.
        quiet: Show no progress.

    Raises:
        InputError: An encoder does not load, or gives vectors that are not finite.
    """
    encoders = _encoders(config)
    with Progress(quiet=quiet) as progress:
        for name in explorer.encoders:
            bars = [
                progress.add(f"encoding with {encoders[name]}", n_texts, unit="texts")
                for n_texts in [explorer.n_missing(name)]
                if n_texts
            ]
            try:
                explorer.prepare(name, *(bar.advance for bar in bars))
            except InputError:
                if not _can_lack(name, config):
                    raise
                explorer.drop(name)
                _log_lack(encoders[name], config)


def _encoders(config: ExploreConfig) -> dict[str, str]:
    """Return the encoders by what the page calls them: before alignment, if known, and after."""
    before = config.before or _base_of(config.encoder)
    return {**({"before": before} if before else {}), "after": config.encoder}


def _can_lack(name: str, config: ExploreConfig) -> bool:
    """Return whether the page can do without an encoder: one that nobody asked for."""
    return name == "before" and config.before is None


def _log_lack(encoder: str, config: ExploreConfig) -> None:
    _log.info(
        "%s was aligned from %s, which cannot be loaded here; it is shown alone",
        config.encoder,
        encoder,
    )


def _add(explorer: Explorer, name: str, encoder: str, config: ExploreConfig) -> None:
    """Add an encoder with the vectors that earlier starts left.

    Their key holds the settings and not the encoder's limit and prompt, since those are known only
    once it is loaded; the hash of its files covers the ones that it saves.
    """
    loading = _loading(config, encoder)
    check_encoder(
        encoder,
        trust_remote_code=config.trust_remote_code,
        allow_pickle=config.allow_pickle,
    )
    settings = json.dumps([loading["prompt"], loading["pooling"], e5_prompt(encoder)])
    cache = VectorCache(
        config.vectors or cache_folder(None) / "vectors",
        encoder_sha=f"{describe(encoder).sha256}|{settings}",
        max_tokens=config.max_tokens,
        dtype="float32",
    )
    explorer.add(name, lambda: load_encoder(encoder, **loading), cache)


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
    quiet: bool = False,
) -> PageServer:
    """Serve the page at the address of the settings, and nowhere else; then load the encoders.

    A query that comes before they are ready is answered when they are.

    Args:
        explorer: As `open_explorer` returns it.
        config: Settings.
        block: Wait until interrupted, then close the page.
        announce: Called with the page's address once it is served.
        quiet: Show no progress of encoding.

    Returns:
        The server; its `close()` ends the page.

    Raises:
        InputError: The address or port cannot be used, or an encoder does not load.
    """
    if not is_loopback(config.host):
        _log.warning(
            "the page listens on %s: whoever reaches this machine can read the corpus and query "
            "the encoder",
            config.host,
        )
    server = PageServer(build_page(explorer), config)
    announce(server.url)
    try:
        load_encoders(explorer, config, quiet=quiet)
        if block:
            threading.Event().wait()
    except BaseException as error:
        server.close()
        if not (block and isinstance(error, KeyboardInterrupt)):
            raise
    return server
