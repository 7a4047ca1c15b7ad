"""The settings of a merge, each checked by itself before anything is opened or loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from hexapla.errors import InputError
from hexapla.text import languages as codes

_MOST_ALPHAS = 1001  # a step of a thousandth; each is a pass over the held-out rows
_FORMS = 'it must be START:STOP:STEP such as "0:1:0.1", a number such as "0.5", or a list such as "0.2,0.4", all 0 to 1'


@dataclass(frozen=True, kw_only=True)
class MergeConfig:
    """Settings of a merge.

    Attributes:
        base: the encoder that was aligned: a Hub name, an encoder folder, or "tiny".
        aligned: the folder that `align` made of it.
        corpus: a corpus folder, a table file, or "sample"; its held-out rows choose alpha.
        out: the folder of the merged encoder.
        languages: the columns to search across, all of the corpus by default; the pivot is always
            among them.
        alpha: the shares of the aligned encoder to try, each 0 (the base) to 1 (the aligned
            encoder): "0:1:0.1" is from 0 to 1 in steps of 0.1, both ends included where the step
            divides; or a number, or a list with commas.
        held_out: share of the rows to judge by, chosen by row hash as `align` chooses them; 0 takes
            all rows. If not given, the share that the aligned encoder held out; all rows, which it
            may have been trained on, if none.
        sts: Parquet file of judged pairs in the pivot's language: `sentence1`, `sentence2`,
            `score`.
        tolerance: what the pivot may lose, 0 or more. With `sts`, in Spearman's correlation with
            the scores against that of alpha 0: 0 if not given. Without, the structure of the
            pivot's vectors is judged, which is 1 at alpha 0 by definition and less elsewhere: 0.05
            if not given, that is, 0.95 or more qualifies.
        trust_remote_code: run the encoders' own code.
        allow_pickle: load weights other than safetensors.
        overwrite: replace the merge in `out`.
    """

    base: str
    aligned: str
    corpus: str
    out: Path
    languages: tuple[str, ...] | None = None
    alpha: str = "0:1:0.1"
    held_out: float | None = None
    sts: Path | None = None
    tolerance: float | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Check every value by itself and bring words into their canonical form."""
        for key in ("base", "aligned", "corpus", "alpha"):
            object.__setattr__(self, key, str(getattr(self, key)))
        object.__setattr__(self, "out", Path(self.out))
        parse_alphas(self.alpha)
        if self.languages is not None:
            object.__setattr__(self, "languages", codes.parse_list(self.languages))
        if self.sts is not None:
            object.__setattr__(self, "sts", Path(self.sts))
        if self.tolerance is None:
            object.__setattr__(self, "tolerance", 0.05 if self.sts is None else 0.0)
        elif not (_is_number(self.tolerance) and 0 <= self.tolerance < math.inf):
            raise InputError(f"tolerance is {self.tolerance!r}; it must be 0 or more")
        if self.held_out is not None and not (_is_number(self.held_out) and 0 <= self.held_out < 1):
            raise InputError(
                f"held_out is {self.held_out!r}; it must be 0 or more and below 1; 0 takes all rows"
            )


def parse_alphas(text: str) -> tuple[float, ...]:
    """Return the alphas that a text asks for, each once, the smallest first.

    Counted in decimals, so that the third step of 0.1 is at 0.3 and not at 0.30000000000000004.

    >>> parse_alphas("0:1:0.25"), parse_alphas("0.5"), parse_alphas("0.9,0.7")
    ((0.0, 0.25, 0.5, 0.75, 1.0), (0.5,), (0.7, 0.9))

    Raises:
        InputError: none of the three forms, an alpha outside 0 to 1, a step that is not above 0,
            too many.
    """
    span = ":" in text
    try:
        given = [_decimal(part) for part in text.split(":" if span else ",")]
    except (InvalidOperation, ValueError) as error:
        raise InputError(f'alpha is "{text}"; {_FORMS}') from error
    if not span:
        return _checked(text, given)
    if len(given) != 3:
        raise InputError(f'alpha is "{text}"; {_FORMS}')
    start, stop, step = given
    if step <= 0:
        raise InputError(f'alpha is "{text}", a step of {step}; the step must be above 0')
    if start > stop:
        raise InputError(
            f'alpha is "{text}", from {start} down to {stop}; give the smaller end first'
        )
    _checked(text, [start, stop])
    if (n_alphas := int((stop - start) / step) + 1) > _MOST_ALPHAS:
        raise InputError(
            f'alpha is "{text}", which is {n_alphas} alphas; {_MOST_ALPHAS} are allowed, so give a larger step'
        )
    return _checked(text, [start + step * number for number in range(n_alphas)])


def _decimal(text: str) -> Decimal:
    number = Decimal(text.strip())
    if not number.is_finite():
        raise ValueError(text)
    return number


def _checked(text: str, alphas: list[Decimal]) -> tuple[float, ...]:
    for alpha in alphas:
        if not 0 <= alpha <= 1:
            raise InputError(
                f'alpha is "{text}", and {alpha} is outside 0 to 1; 0 is the base, 1 the aligned encoder'
            )
    return tuple(sorted({float(alpha) for alpha in alphas}))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
