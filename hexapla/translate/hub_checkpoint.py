"""A checkpoint on the Hub: its name, its revision, and its files in the Hub's cache.

The Hub is asked where it can be reached; otherwise the cache has to do. What the cache lacks is
told with the command that fetches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hexapla.encoder.locate import split_revision
from hexapla.errors import InputError

_MAX_REVISIONS = 5  # of the cache, that an error names


class HubCheckpoint:
    """A checkpoint by its name on the Hub.

    Attributes:
        name: Its name without the revision.

    Args:
        given: `org/name` or `org/name@revision`; a revision is a branch, a tag, a commit, or a
            proposal, such as refs/pr/2.
        revision: The revision where the name has none; None for the newest.

    Raises:
        InputError: There are two revisions, or the name is none.
    """

    def __init__(self, given: str, revision: str | None = None) -> None:
        self._given = given
        self.name, named = split_revision(given)
        if "@" in given and not named:
            raise InputError(
                f'translator {given}: has no revision after "@"; write org/name@revision'
            )
        if named and revision and named != revision:
            raise InputError(
                f"translator {given}: revision is {revision}, and the name says {named}; give one "
                "of them"
            )
        self._revision = named or revision

    def fetch(self, patterns: Sequence[str], commit: str | None = None) -> Path:
        """Return the folder of the checkpoint's revision in the cache, with some of its files.

        Args:
            patterns: Which files, as patterns of `glob`.
            commit: The commit to read from, once it is known.

        Raises:
            InputError: Neither the Hub nor the cache has it.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
        )

        try:
            return Path(
                snapshot_download(
                    self.name, revision=commit or self._revision, allow_patterns=list(patterns)
                )
            )
        except LocalEntryNotFoundError as error:
            if commit:
                raise self.lacks_weights(commit) from error
            raise InputError(
                f"translator {self._given}: neither a folder nor in the Hub's cache"
                f"{self._cached()}, and the Hub cannot be reached; fetch it where there is a "
                f"network ({self._command(self._revision)}), or give a folder"
            ) from error
        except (HfHubHTTPError, HFValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(
                f"translator {self._given}: neither a folder nor on the Hub ({reason})"
            ) from error

    def is_reached(self) -> bool:
        """Return whether the Hub answers for this checkpoint."""
        from huggingface_hub import HfApi

        try:
            HfApi().model_info(self.name, revision=self._revision, timeout=30)
        except Exception:  # whatever the library for HTTP raises, the Hub does not answer
            return False
        return True

    def lacks_weights(self, commit: str) -> InputError:
        """Return the error for weights that neither the cache nor, out of reach, the Hub gives."""
        return InputError(
            f"translator {self._given}: its weights are not in the Hub's cache, and the Hub cannot "
            f"be reached; fetch them where there is a network ({self._command(commit)})"
        )

    def _command(self, revision: str | None) -> str:
        return f"hf download {self.name}" + (f" --revision {revision}" if revision else "")

    def _cached(self) -> str:
        """Say which revision is missing, and which the cache has; empty if neither is known."""
        from huggingface_hub import constants, file_download

        folder = Path(
            constants.HF_HUB_CACHE,
            file_download.repo_folder_name(repo_id=self.name, repo_type="model"),
        )
        refs = [path for path in (folder / "refs").rglob("*") if path.is_file()]
        named = {path.read_text().strip(): path.relative_to(folder / "refs") for path in refs}
        commits = sorted(path.name for path in folder.glob("snapshots/*"))
        revisions = [str(named.get(commit, commit)) for commit in commits]
        at = f" at revision {self._revision}" if self._revision else ""
        if not revisions:
            return at
        more = ", ..." if len(revisions) > _MAX_REVISIONS else ""
        return f"{at} (it has {', '.join(revisions[:_MAX_REVISIONS])}{more})"
