"""The settings of a push, checked before anything is read."""

from __future__ import annotations

import re
from typing import Annotated

from hexapla.errors import InputError
from hexapla.runs.settings import DATA, FilePath, Flag, settings
from hexapla.text.printable import printable

_PART = "[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_REPOSITORY = re.compile(f"{_PART}/{_PART}")
_MAX_LENGTH = 96  # characters, of the Hub


@settings
class PushConfig:
    """Settings of a push."""

    folder: Annotated[FilePath, DATA, Flag(positional=True)]
    """Encoder folder or corpus folder."""
    repository: Annotated[str, DATA, Flag(positional=True, metavar="OWNER/NAME")]
    """Repository on the Hub, which is made if it does not exist: your name there or your
    organisation's, and the name for this encoder or corpus."""
    public: Annotated[bool, DATA] = False
    """Let everybody see the repository. By default it is private."""
    dry_run: Annotated[bool, DATA] = False
    """Show what would be pushed; nothing is sent."""

    def __post_init__(self) -> None:
        """Check the form of the repository's name, as the Hub does."""
        name = self.repository
        if not _REPOSITORY.fullmatch(name) or "--" in name or ".." in name or ".git" in name[-4:]:
            raise InputError(
                f'repository is "{printable(name)}"; it must be OWNER/NAME such as '
                '"my-team/support-encoder", of letters, digits and single "-", "_" and "." between '
                "them"
            )
        if len(name) > _MAX_LENGTH:
            raise InputError(
                f"repository has {len(name)} characters; the Hub allows {_MAX_LENGTH}, so give a "
                "shorter name"
            )
