"""Evaluation sentences and the corpus that an encoder was aligned on -> how many of the sentences stand in it.

What an evaluation set and a corpus share, training has seen; a gain on it says less. `build` and `filter` keep such
rows out (`--against`); this looks in whatever an encoder was trained on, and what it finds goes beside the scores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hexapla.contamination import Contamination
from hexapla.corpus import Corpus, open_corpus
from hexapla.encoder import EncoderFacts, locate
from hexapla.errors import InputError
from hexapla.run import read_config
from hexapla.tokens import tokens

CONTAMINATION = "contamination.json"
_EXAMPLES = 3
_log = logging.getLogger(__name__)


def find_corpus(encoder: str, facts: EncoderFacts, given: str | None) -> Corpus | None:
    """Return the corpus that an encoder was aligned on, or None if it was not, or is not to be found.

    Args:
        encoder: As it was given to `evaluate`.
        facts: Of it.
        given: Where the corpus is; by default where the encoder's own run.json says.

    Raises:
        InputError: What is given is another corpus, or the encoder does not say which it was aligned on.
    """
    wanted = facts.training.get("corpus_sha256")
    if wanted is None:
        if given is not None:
            raise InputError(f"{encoder} does not say what it was aligned on; leave --corpus {given} out")
        return None
    folder = locate(encoder)
    config = read_config(folder) if folder is not None else {}
    if given is not None:
        found = _with_hash(given, (config.get("languages"), facts.languages, None), wanted)
        if found is None:
            raise InputError(f"{given} is not what {encoder} was aligned on, {facts.corpus}: its hash is another")
        return found
    try:
        found = _with_hash(str(config.get("corpus")), (config.get("languages"), None), wanted)
    except InputError:
        found = None
    if found is None:
        _log.info("the corpus that %s was aligned on is not here, so contamination is not checked (--corpus)", encoder)
        return None
    return found


def _with_hash(path: str, chosen: Iterable[Sequence[str] | None], wanted: object) -> Corpus | None:
    """Open a corpus with one of some choices of its columns: its hash is of the columns that training had."""
    for languages in chosen:
        corpus = open_corpus(path, languages=languages or None)
        if corpus.sha256 == wanted:
            return corpus
    return None


def corpus_overlap(corpus: Corpus, texts: Mapping[tuple[str, str], Iterable[str]]) -> dict[str, Any]:
    """Count the evaluation sentences of each task and split that the corpus holds, in any of its languages.

    Args:
        corpus: What was trained on.
        texts: The sentences, by task and split.

    Returns:
        The content of `contamination.json`.
    """
    # By its words: the index takes the first of sentences that differ in case and punctuation alone for all of them.
    distinct = {
        place: {words: text for text in sentences if (words := " ".join(tokens(text)))}
        for place, sentences in texts.items()
    }
    places: dict[str, list[tuple[str, str]]] = {}
    for place, sentences in distinct.items():
        for words in sentences:
            places.setdefault(words, []).append(place)
    index = Contamination()
    if places:
        index.add_set("evaluation", {text: None for sentences in distinct.values() for text in sentences.values()})
    found: dict[tuple[str, str], set[str]] = {place: set() for place in distinct}
    for batch in corpus.batches(corpus.languages) if places else ():
        for code in corpus.languages:
            for cell in batch.column(code).to_pylist():  # one by one: of a row, `match` names the first sentence only
                if cell and (match := index.match([cell])):
                    words = " ".join(tokens(match.sentence))
                    for place in places[words]:
                        found[place].add(distinct[place][words])
    return {
        "corpus": corpus.name,
        "corpus_sha256": corpus.sha256,
        "tasks": [
            {
                "task": task, "split": split, "n_sentences": len(distinct[task, split]), "n_found": len(matches),
                "examples": sorted(matches)[:_EXAMPLES],
            }
            for (task, split), matches in found.items()
        ],
    }  # fmt: skip
