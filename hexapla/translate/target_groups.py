"""Groups among the languages to translate into -> the languages that the translator has.

A translator that knows its languages is asked for them: a checkpoint by its tokenizer's files, any
other by its `check`. Where that tells nothing, as for an endpoint, a group means all its languages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from hexapla.errors import InputError
from hexapla.text.language_groups import is_group, languages_of_group, list_groups
from hexapla.translate.backends import check_translator
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.checkpoint_languages import languages_in_files
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translator

_log = logging.getLogger(__name__)


def expand_targets(
    translator: TranslatorConfig | Translator, pivot: str, targets: Sequence[str]
) -> tuple[str, ...]:
    """Return the codes that targets stand for, each once, in order.

    Args:
        translator: Settings of the translator, or a translator.
        pivot: The language of the texts. It is left out of every group.
        targets: Canonical codes, which stay, and names of groups.

    Raises:
        InputError: The translator has no language of a group, or cannot be opened.
    """
    codes: dict[str, None] = {}
    for target in targets:
        if not is_group(target):
            codes[target] = None
            continue
        of_group = [code for code in languages_of_group(target) if code != pivot]
        had, refusal = _languages_had(translator, of_group)
        if not had:
            reason = refusal or f"its only one is the pivot, {pivot}"
            raise InputError(
                f"group {target} gives no language to translate into: {reason}; name languages, "
                f"another translator or another group: {list_groups()}"
            )
        lacking = [code for code in of_group if code not in had]
        _log.info(
            "%s: %d languages%s",
            target,
            len(had),
            f"; the translator lacks {', '.join(lacking)}" if lacking else "",
        )
        codes |= dict.fromkeys(had)
    return tuple(codes)


def _languages_had(
    translator: TranslatorConfig | Translator, candidates: Sequence[str]
) -> tuple[list[str], str]:
    """Return the candidates that a translator knows, and why it refuses the last of the others."""
    check: Callable[[Sequence[str]], None]
    if not isinstance(translator, TranslatorConfig):
        check = translator.check
    elif translator.is_checkpoint:
        return _in_checkpoint(translator, candidates)
    else:
        check = partial(check_translator, translator)
    had, refusal = [], ""
    for code in candidates:
        try:
            check([code])
            had.append(code)
        except InputError as error:
            refusal = str(error)
    return had, refusal


def _in_checkpoint(config: TranslatorConfig, candidates: Sequence[str]) -> tuple[list[str], str]:
    files = CheckpointFiles(config)
    languages = languages_in_files(files, config.codes)
    known = (languages.tokens or languages.targets) if languages else ()
    if not known:  # it names none, and is asked when it is loaded
        return list(candidates), ""
    had = [code for code in candidates if code in known]
    return had, f"{files.name} has none of its {len(candidates)} languages"
