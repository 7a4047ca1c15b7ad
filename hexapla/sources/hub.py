"""A dataset of the Hugging Face Hub -> the texts of one of its fields, streamed in order.

Its name is `org/name`, or in full `org/name@revision:config:split`; the default split is `train`.
Nothing is kept on disk, so every reading needs the network, and an error says if there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hexapla.corpus.rows import as_cell
from hexapla.corpus.tables import list_columns
from hexapla.errors import InputError, did_you_mean

_NAME = re.compile(
    r"(?P<path>[\w.-]+/[\w.-]+)(@(?P<revision>[^:@]+))?(:(?P<config>[^:]*))?(:(?P<split>[^:]+))?"
)
# What datasets and huggingface_hub raise for a name that cannot be read.
_FAILURES = (OSError, ValueError, RuntimeError, ImportError)


def is_dataset_name(text: str) -> bool:
    """Return whether a text may name a dataset of the Hub.

    >>> is_dataset_name("org/name"), is_dataset_name("org/name@v1:en:test")
    (True, True)
    >>> is_dataset_name("a/b/c")
    False
    """
    return _NAME.fullmatch(text) is not None


class Dataset:
    """One split of a dataset of the Hub, as a source of texts.

    Args:
        name: Its name, as `org/name` or `org/name@revision:config:split`.

    Raises:
        InputError: The name is not of this form.
    """

    has_fields = True

    def __init__(self, name: str) -> None:
        match = _NAME.fullmatch(name)
        if match is None:
            raise InputError(
                f'"{name}" names no dataset; write org/name or org/name@revision:config:split'
            )
        self.name = name
        self._path, self._revision = match["path"], match["revision"]
        self._config, self._split = match["config"] or None, match["split"] or "train"
        self._records: Iterable[Mapping[str, Any]] | None = None

    def check(self, field: str | None) -> None:
        """Read the first record and check that it has the field.

        Raises:
            InputError: There is no such dataset, config or split, no network, no such field or no
                record.
        """
        record = next(self.records(), None)
        if record is None:
            raise InputError(f"{self.name} is empty; name another split or dataset")
        fields = [name for name, value in record.items() if value is None or isinstance(value, str)]
        if field not in fields:
            raise missing_field(self.name, field, fields)

    def texts(self, field: str) -> Iterator[tuple[int, str | None]]:
        """Yield (number of the record, text).

        Raises:
            InputError: A record lacks the field or holds no text there, or reading breaks off.
        """
        for number, record in enumerate(self.records(), start=1):
            place = f"{self.name}: record {number}"
            if field not in record:
                raise missing_field(place, field, list(record))
            yield number, as_cell(record[field], place, field)

    def facts(self) -> dict[str, object]:
        """Return the name, and the commit that it means now."""
        from huggingface_hub import HfApi

        try:
            info = HfApi().dataset_info(self._path, revision=self._revision, timeout=30)
        except _FAILURES as error:
            raise self._unreachable(error) from error
        return {"name": self.name, "revision": info.sha}

    def records(self) -> Iterator[Mapping[str, Any]]:
        """Yield all records, from the first."""
        import datasets

        try:
            if self._records is None:
                self._records = datasets.load_dataset(
                    self._path,
                    self._config,
                    split=self._split,
                    revision=self._revision,
                    streaming=True,
                )
            yield from self._records
        except _FAILURES as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> InputError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return InputError(
            f"{self.name}: no file or folder of that name is here, and as a dataset it cannot be "
            f"read from the Hugging Face Hub ({reason}); check the name and the network, or "
            "download it and give its files"
        )


def missing_field(place: str, field: str | None, fields: list[str]) -> InputError:
    """Return the error for a source that lacks the field, or for which no field was named."""
    has = f"its text fields are {list_columns(fields)}" if fields else "it has no field of text"
    if field is None:
        flags = "--field (of one of two sides --source-field or --target-field)"
        return InputError(f"{place}: which field holds the text? name it with {flags}; {has}")
    return InputError(f"{place} has no text field {field}; {has}{did_you_mean(field, fields)}")
