"""Checks of a search that need no heavy library, so that a mistake is answered at once."""

from __future__ import annotations

from typing import Any

from hexapla.errors import InputError

MIN_INDEXED = 16  # vectors that FAISS needs to train 4-bit codes


def check_k(k: int, n_smaller: int) -> None:
    """Refuse more neighbours than the smaller side has sentences.

    Raises:
        InputError: It has fewer.
    """
    if k > n_smaller:
        raise InputError(
            f"k is {k}; the smaller side has {n_smaller} different sentences, so lower it (--k)"
        )


def check_indexed(n_sentences: int, name: str) -> None:
    """Refuse a side that has too few sentences for FAISS's index.

    Raises:
        InputError: It has fewer than `MIN_INDEXED`.
    """
    if n_sentences < MIN_INDEXED:
        raise InputError(
            f"the {name} has {n_sentences} sentences, and FAISS's index needs {MIN_INDEXED} or "
            "more; search exactly (--search exact)"
        )


def import_faiss() -> Any:
    """Return the module `faiss`.

    Raises:
        InputError: FAISS is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            "search ivf-pq needs FAISS; install it with: pip install 'hexapla[mine]'"
        ) from error
    return faiss
