"""The settings of a merge, checked before anything is opened or loaded."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import Field

from hexapla.encoder.config import ENCODER, LoadSettings, PromptSettings
from hexapla.errors import InputError
from hexapla.runs.config import ResumableSettings
from hexapla.runs.ranges import Share
from hexapla.runs.settings import DATA, FilePath, Flag, Languages, Name, settings

_MAX_ALPHAS = 1001  # a step of a thousandth; each alpha takes one pass over the held-out rows
_FORMS = (
    'it must be START:STOP:STEP such as "0:1:0.1", a number such as "0.5", or a list such as '
    '"0.2,0.4", all from 0 to 1'
)


@settings
class MergeConfig(PromptSettings, LoadSettings, ResumableSettings):
    """Settings of a merge."""

    base: Annotated[Name, ENCODER, Flag(positional=True)]
    """The encoder that was aligned: Hub name, encoder folder, "tiny" or "small"."""
    aligned: Annotated[Name, ENCODER, Flag(positional=True)]
    """The folder that `hexapla align` made of it."""
    corpus: Annotated[Name, DATA]
    """Corpus folder, table file, or "sample"; its held-out rows choose alpha."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns to search across. By default all of the corpus; the pivot is always added."""
    alpha: Annotated[str, DATA] = "0:1:0.1"
    """Weights of the aligned encoder to try, from 0 (the base) to 1 (the aligned encoder):
    START:STOP:STEP, a number, or a list with commas."""
    held_out: Annotated[Share | None, DATA] = None
    """Share of the rows to judge by, chosen by row hash as `align` chooses them; 0 means all rows.
    By default the share that the aligned encoder held out, and all rows if it held out none."""
    sts: Annotated[FilePath | None, DATA] = None
    """Parquet file of pairs in the pivot's language with columns sentence1, sentence2, score."""
    tolerance: Annotated[Annotated[float, Field(ge=0, le=2)] | None, DATA] = None
    """How far the pivot value may fall below that of alpha 0. With `sts`, the value is the Spearman
    correlation of cosines with scores, and the default 0. Without, it is the correlation of the
    pivot's cosines with the base's, 1 at alpha 0, and the default 0.05."""

    def __post_init__(self) -> None:
        """Check alpha, and fill in the default tolerance."""
        super().__post_init__()
        parse_alphas(self.alpha)
        if self.tolerance is None:
            object.__setattr__(self, "tolerance", 0.05 if self.sts is None else 0.0)


def parse_alphas(text: str) -> tuple[float, ...]:
    """Return the alphas that a text asks for, in rising order and without repetition.

    Steps are counted in decimals, so that three steps of 0.1 are 0.3, not 0.30000000000000004.

    >>> parse_alphas("0:1:0.25"), parse_alphas("0.5"), parse_alphas("0.9,0.7")
    ((0.0, 0.25, 0.5, 0.75, 1.0), (0.5,), (0.7, 0.9))

    Raises:
        InputError: The text has none of the three forms, an alpha is outside 0 to 1, the step is
            not above 0, or there are too many alphas.
    """
    is_range = ":" in text
    try:
        given = [_decimal(part) for part in text.split(":" if is_range else ",")]
    except (InvalidOperation, ValueError) as error:
        raise InputError(f'alpha is "{text}"; {_FORMS}') from error
    if len(given) > _MAX_ALPHAS:
        raise InputError(f"alpha has {len(given):,} values; at most {_MAX_ALPHAS} are allowed")
    if not is_range:
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
    if stop - start >= _MAX_ALPHAS * step:  # a quotient may have a billion digits
        raise InputError(
            f'alpha is "{text}", which is more than {_MAX_ALPHAS} alphas; give a larger step'
        )
    n_alphas = int((stop - start) / step) + 1
    return _checked(text, [start + step * number for number in range(n_alphas)])


def _decimal(text: str) -> Decimal:
    number = Decimal(text.strip())
    # Decimal also reads digits of other scripts and "0_1".
    if not number.is_finite() or not text.isascii() or "_" in text:
        raise ValueError(text)
    return number


def _checked(text: str, alphas: list[Decimal]) -> tuple[float, ...]:
    for alpha in alphas:
        if not 0 <= alpha <= 1:
            raise InputError(
                f'alpha is "{text}", and {alpha} is outside 0 to 1; 0 is the base, 1 the aligned '
                "encoder"
            )
    return tuple(sorted({float(alpha) for alpha in alphas}))
