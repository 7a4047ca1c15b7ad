"""A corpus and an encoder, before and after alignment -> a local page: type a sentence, see what is nearest to it.

Search is exact: every distinct text is embedded once by each encoder, and a query is one product
with all of them. Everything but the page itself is in `Explorer`, which needs no browser.
"""

from __future__ import annotations

import html
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from hexapla.corpus.reader import Corpus, open_corpus
from hexapla.encoder.load import encode, load_encoder
from hexapla.encoder.locate import locate
from hexapla.errors import InputError
from hexapla.explore.config import ExploreConfig
from hexapla.runs.record import read_record
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_SHOWN = 50
_STEP = 512  # texts between two steps of the progress bar
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A sentence of the corpus that is near a query.

    Attributes:
        text: The sentence.
        language: Its language.
        row: Number of its row in the corpus, from 0.
        cosine: With the query.
        translation: Whether it stands in a row that holds the query itself.
    """

    text: str
    language: str
    row: int
    cosine: float
    translation: bool


class Explorer:
    """The cells of a corpus, and their vectors by each of some encoders."""

    def __init__(self, corpus: Corpus, *, rows: int, languages: Sequence[str]) -> None:
        """Read the cells of the first rows; blank ones are left out."""
        self.languages = tuple(languages)
        self.n_rows = min(rows, len(corpus))
        self.is_cut = len(corpus) > rows
        self._cells: list[tuple[int, str, str]] = []
        read = 0
        for batch in corpus.batches(self.languages):
            columns = [batch.column(code).to_pylist() for code in self.languages]
            for cells in zip(*columns, strict=True):
                if read == rows:
                    break
                present = zip(self.languages, cells, strict=True)
                self._cells += [
                    (read, code, text) for code, text in present if text and text.strip()
                ]
                read += 1
        self._codes = np.array([code for _, code, _ in self._cells])
        self._models: dict[str, SentenceTransformer] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

    @property
    def encoders(self) -> tuple[str, ...]:
        """Return the names of the encoders, in the order in which they were added."""
        return tuple(self._models)

    def examples(self, n: int = 6) -> list[str]:
        """Return some sentences of the corpus, of different rows and languages, to begin with."""
        found = []
        for number, row in enumerate(np.linspace(0, self.n_rows - 1, n).astype(int)):
            code = self.languages[number % len(self.languages)]
            found += [text for at, language, text in self._cells if (at, language) == (row, code)]
        return list(dict.fromkeys(found))

    def add(
        self, name: str, model: SentenceTransformer, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """Embed every distinct text of the corpus.

        Raises:
            InputError: A vector is not finite.
        """
        texts = list(dict.fromkeys(text for *_, text in self._cells))
        parts = []
        for start in range(0, len(texts), _STEP):
            parts.append(_finite(model, texts[start : start + _STEP]))
            advance(len(parts[-1]))
        vectors, place = np.concatenate(parts), {text: row for row, text in enumerate(texts)}
        self._vectors[name] = vectors[[place[text] for *_, text in self._cells]]
        self._models[name] = model

    def nearest(
        self,
        encoder: str,
        query: str,
        *,
        k: int = 10,
        languages: Sequence[str] = (),
        own_language: bool = True,
    ) -> list[Neighbour]:
        """Return the k cells nearest to a query by cosine, the query's own text left out.

        Args:
            encoder: One of `encoders`.
            query: A sentence in any language.
            k: At most so many.
            languages: Only cells of these; all if empty.
            own_language: Keep cells of the language that the query has in the corpus; it is known
                only of a query that is a cell.

        Raises:
            InputError: The query is blank, or its vector is not finite.
        """
        query = query.strip()
        if not query:
            raise InputError("the query is empty; type a sentence")
        vector = _finite(self._models[encoder], [query])[0]
        cosine = self._vectors[encoder] @ vector
        own = [(row, code) for row, code, text in self._cells if text == query]
        rows, spoken = {row for row, _ in own}, {code for _, code in own}
        wanted = (
            np.isin(self._codes, list(languages)) if languages else np.ones(len(cosine), dtype=bool)
        )
        if not own_language:
            wanted &= ~np.isin(self._codes, list(spoken))
        found: list[Neighbour] = []
        for place in np.argsort(-np.where(wanted, cosine, -np.inf), kind="stable"):
            row, code, text = self._cells[place]
            if len(found) == k or not wanted[place]:
                break
            if text != query:
                found.append(
                    Neighbour(
                        text=text,
                        language=code,
                        row=row,
                        cosine=float(cosine[place]),
                        translation=row in rows,
                    )
                )
        return found

    def points(
        self, encoder: str, query: str, n_rows: int = 60
    ) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        """Project some rows' cells and the query onto the first two principal components of the cells.

        Returns:
            (n + 1, 2) points, the query's last, and the (n,) languages of the cells.
        """
        chosen = [place for place, (row, *_) in enumerate(self._cells) if row < n_rows]
        vectors = self._vectors[encoder][chosen]
        mean = vectors.mean(axis=0)
        _, _, axes = np.linalg.svd(vectors - mean, full_matrices=False)
        vector = _finite(self._models[encoder], [query])
        points: NDArray[np.float32] = (np.concatenate([vectors, vector]) - mean) @ axes[:2].T
        return points, self._codes[chosen]


def _finite(model: SentenceTransformer, texts: Sequence[str]) -> NDArray[np.float32]:
    vectors = encode(model, texts, task="BitextMining")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        raise InputError(
            f"the encoder gives no finite vector for {texts[int(finite.argmin())][:60]!r}; is it damaged?"
        )
    return np.asarray(vectors)


def open_explorer(config: ExploreConfig, *, quiet: bool = False) -> Explorer:
    """Check everything, load the encoders and embed the corpus.

    Raises:
        InputError: A corpus, language, encoder or address that cannot be used.
    """
    _check_gradio()
    corpus = open_corpus(config.corpus)
    chosen = config.languages or corpus.languages
    if absent := [code for code in chosen if code not in corpus.languages]:
        raise InputError(
            f"{config.corpus} has no {', '.join(absent)}; it has {', '.join(corpus.languages)}"
        )
    _check_address(config)
    locate(config.encoder)
    explorer = Explorer(corpus, rows=config.rows, languages=chosen)
    before = config.before or _base_of(config.encoder)
    names = {"before": before, "after": config.encoder} if before else {"after": config.encoder}
    console = Console(stderr=True)
    with Progress(
        console=console, transient=True, disable=quiet or not console.is_terminal
    ) as progress:
        for name, encoder in names.items():
            try:
                model = load_encoder(
                    encoder,
                    trust_remote_code=config.trust_remote_code,
                    allow_pickle=config.allow_pickle,
                )
            except InputError:
                if name == "before" and config.before is None:
                    _log.info(
                        "%s, from which %s was aligned, is not at hand: it is shown alone",
                        encoder,
                        config.encoder,
                    )
                    continue
                raise
            task = progress.add_task(f"embedding, {name}", total=None)
            explorer.add(name, model, advance=lambda n, task=task: progress.advance(task, n))  # type: ignore[misc]
    return explorer


def _base_of(encoder: str) -> str | None:
    """Return what an encoder was aligned from, as its own run.json says."""
    folder = locate(encoder)
    base = read_record(folder).get("config", {}).get("encoder") if folder is not None else None
    return str(base) if base else None


def _check_gradio() -> None:
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise InputError(
            "the page needs the library gradio; install it with: pip install 'hexapla[explore]'"
        )


def _check_address(config: ExploreConfig) -> None:
    """Refuse an address or port that cannot be had, before anything is embedded."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((config.host, config.port))
        except OSError as error:
            raise InputError(
                f"{config.host}, port {config.port} cannot be had ({error.strerror}); give another --port, or 0 for any"
            ) from error


def results_table(found: Sequence[Neighbour], caption: str) -> str:
    """Write neighbours as an HTML table; sentences are escaped."""
    rows = ""
    for number, one in enumerate(found, start=1):
        mark = " <b title=translation>✓</b>" if one.translation else ""
        cells = f"<td>{number}</td><td>{html.escape(codes.name(one.language))}</td>"
        cells += f"<td dir=auto>{html.escape(one.text)}{mark}</td><td>{one.cosine:.3f}</td><td>{one.row + 1}</td>"
        rows += f"<tr{' class=translation' if one.translation else ''}>{cells}</tr>"
    head = "".join(
        f"<th scope=col>{name}</th>" for name in ("#", "Language", "Sentence", "Cosine", "Row")
    )
    return f"<table class=hx><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def launch(
    explorer: Explorer, config: ExploreConfig, *, open_browser: bool = False, block: bool = True
) -> Any:
    """Serve the page, and say where; never shared beyond the address.

    Returns:
        Gradio's blocks, which `close()`.
    """
    from hexapla.explore.explore_page import build_page, serve

    if config.host not in LOOPBACK:
        _log.warning(
            "the page listens on %s: whoever reaches this machine can read the corpus and query",
            config.host,
        )
    return serve(
        build_page(explorer), config.host, config.port, open_browser=open_browser, block=block
    )
