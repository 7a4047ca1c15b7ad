"""The content of a `tokenizer.json`: its pieces, those that must stay, and the same with fewer.

Segmentation with fewer pieces is equal for every text whose pieces are kept. Unigram takes the most
probable path, which is the most probable of fewer paths too; WordPiece takes the longest piece that
fits, of which there are only shorter ones besides; for BPE see `hexapla.trim.merges`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from hexapla.errors import InputError
from hexapla.trim.merges import Merge, possible_merges, with_parts

KINDS = ("Unigram", "WordPiece", "BPE")
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # a byte of a character that has no piece
_BYTE_LEVEL = "ByteLevel"


class Vocabulary:
    """The pieces of a tokenizer and their numbers.

    Args:
        content: What `tokenizer.json` holds, of a kind that `refuse_kind` lets pass.

    Attributes:
        content: As given; not to be changed.
        model: The part of it that holds the pieces.
        kind: "Unigram", "WordPiece" or "BPE".
        pieces: Number of every piece of the model.
        added: Number of every added token, which texts are searched for before the model reads
            them; those that are pieces too have the same number.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.model: Mapping[str, Any] = content["model"]
        self.kind: str = self.model["type"]
        self.added: dict[str, int] = {
            token["content"]: token["id"] for token in content.get("added_tokens") or ()
        }

    @cached_property
    def pieces(self) -> dict[str, int]:
        """Number of every piece of the model."""
        vocabulary = self.model["vocab"]
        if self.kind == "Unigram":
            return {piece: number for number, (piece, _) in enumerate(vocabulary)}
        return dict(vocabulary)

    @property
    def is_byte_level(self) -> bool:
        """Whether pieces are made of bytes, each written as a character of its own."""
        return any(_has_type(self.content.get(key), _BYTE_LEVEL) for key in _STEPS)

    @cached_property
    def numbers(self) -> frozenset[int]:
        """All numbers of pieces and added tokens."""
        return frozenset([*self.pieces.values(), *self.added.values()])

    def indispensable(self) -> set[int]:
        """Return the pieces without which the tokenizer would fail, or segment all texts anew.

        These are added tokens, the piece for what is unknown, bytes, what is put around a text, and
        of Unigram the least probable piece, which the cost of an unknown character follows from.
        """
        found = set(self.added.values()) | _written_around(self.content.get("post_processor"))
        is_byte = _is_character if self.is_byte_level else _BYTE.fullmatch
        found |= {number for piece, number in self.pieces.items() if is_byte(piece)}
        if self.kind == "Unigram":
            scores = [score for _, score in self.model["vocab"]]
            found.add(scores.index(min(scores)))
            unknown = self.model.get("unk_id")
        else:
            unknown = self.pieces.get(self.model.get("unk_token") or "")
        if unknown is not None:
            found.add(unknown)
        return found

    def closed(self, kept: Iterable[int]) -> set[int]:
        """Return pieces and those that must stay with them to be found in a text again."""
        kept = set(kept)
        if self.kind != "BPE":
            return kept
        parts = with_parts(
            (piece for piece, number in self.pieces.items() if number in kept), self._merges()
        )
        return kept | {self.pieces[part] for part in parts if part in self.pieces}

    def cut(self, kept: Iterable[int]) -> tuple[dict[str, Any], list[int]]:
        """Leave all other pieces out, and number those that stay from 0, in their old order.

        Args:
            kept: Pieces to keep, closed (see `closed`), with all that are indispensable.

        Returns:
            The new content, and the old number of every piece in the order of the new ones.
        """
        kept = set(kept)
        own = {number for number in self.pieces.values() if number in kept}
        # Added tokens that are no pieces are numbered behind all pieces, by the library itself.
        order = [*sorted(own), *sorted(set(self.added.values()) - own)]
        new = {old: number for number, old in enumerate(order)}
        content = copy.deepcopy({**self.content, "model": None})
        content["model"] = {**self.model, **self._cut_model(new, own)}
        for token in content.get("added_tokens") or ():
            token["id"] = new[token["id"]]
        content["added_tokens"] = sorted(
            content.get("added_tokens") or (), key=lambda token: int(token["id"])
        )
        _renumber_around(content.get("post_processor"), new)
        return content, order

    def _cut_model(self, new: Mapping[int, int], own: set[int]) -> dict[str, Any]:
        if self.kind == "Unigram":
            pairs = [pair for number, pair in enumerate(self.model["vocab"]) if number in own]
            unknown = self.model.get("unk_id")
            return {"vocab": pairs, "unk_id": None if unknown is None else new[unknown]}
        left = {piece: new[number] for piece, number in self.pieces.items() if number in own}
        if self.kind == "WordPiece":
            return {"vocab": left}
        return {"vocab": left, "merges": possible_merges(self._merges(), set(left))}

    def _merges(self) -> list[Merge]:
        """Return the merges in order; old files have the two pieces in one text."""
        found = []
        for merge in self.model["merges"]:
            first, second = merge.split(" ") if isinstance(merge, str) else merge
            found.append((first, second))
        return found


_STEPS = ("pre_tokenizer", "decoder")


def _is_character(piece: str) -> bool:
    return len(piece) == 1


def refuse_kind(name: str, content: Mapping[str, Any]) -> None:
    """Refuse a `tokenizer.json` whose model cannot be trimmed.

    Args:
        name: The encoder, to begin an error with.
        content: What the file holds.

    Raises:
        InputError: It is of another kind, or a BPE that marks the ends of words in its pieces.
    """
    model = content.get("model")
    model = model if isinstance(model, Mapping) else {}
    kind = model.get("type")
    if kind not in KINDS:
        raise InputError(
            f"{name}: its tokenizer is of the kind {kind}; trim works for {', '.join(KINDS)}"
        )
    for mark in ("continuing_subword_prefix", "end_of_word_suffix"):
        if kind == "BPE" and (given := model.get(mark)):
            raise InputError(
                f"{name}: its BPE tokenizer has the {mark} {given!r}, and merges with such marks "
                "cannot be trimmed; give an encoder without"
            )


def _has_type(step: Any, kind: str) -> bool:
    """Return whether a step of a tokenizer, or one of its parts, is of a type."""
    if isinstance(step, Mapping):
        return step.get("type") == kind or any(_has_type(part, kind) for part in step.values())
    return isinstance(step, list) and any(_has_type(part, kind) for part in step)


def _written_around(step: Any) -> set[int]:
    """Return the numbers of the tokens that a post-processor puts around a text."""
    if not isinstance(step, Mapping):
        return set()
    kind = step.get("type")
    if kind == "Sequence":
        return set().union(*map(_written_around, step["processors"]))
    if kind == "TemplateProcessing":
        return {number for token in step["special_tokens"].values() for number in token["ids"]}
    return {step[role][1] for role in ("cls", "sep") if role in step}


def _renumber_around(step: Any, new: Mapping[int, int]) -> None:
    """Give the tokens of a post-processor their new numbers, in place."""
    if not isinstance(step, dict):
        return
    if step.get("type") == "Sequence":
        for part in step["processors"]:
            _renumber_around(part, new)
    elif step.get("type") == "TemplateProcessing":
        for token in step["special_tokens"].values():
            token["ids"] = [new[number] for number in token["ids"]]
    else:
        for role in ("cls", "sep"):
            if role in step:
                token, number = step[role]
                step[role] = [token, new[number]]
