"""The settings of the explorer: what it shows, and where it listens."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import Field

from hexapla.encoder.config import ENCODER, EncodingSettings
from hexapla.errors import InputError
from hexapla.runs.ranges import Amount
from hexapla.runs.settings import DATA, FilePath, Flag, Languages, Name, settings
from hexapla.text.printable import printable

SERVER = Flag(group="Server")


@settings
class ExploreConfig(EncodingSettings):
    """Settings of the explorer."""

    encoder: Annotated[Name, ENCODER, Flag(positional=True)]
    """The encoder after alignment: encoder folder, Hub name, "small" or "tiny"."""
    corpus: Annotated[Name, DATA, Flag(positional=True)]
    """Corpus folder, table file, or "sample"."""
    before: Annotated[Name | None, ENCODER] = None
    """The encoder to compare with. By default the one that it was aligned from, if it can be
    loaded."""
    languages: Annotated[Languages | None, DATA] = None
    """Columns of the corpus. By default all."""
    rows: Annotated[Amount, DATA] = 2000
    """Rows of the corpus, from its start."""
    vectors: Annotated[FilePath | None, Flag(group="Speed", identity=False)] = None
    """Folder in which vectors are kept, so that a further start encodes only what is new. By
    default in the user's cache."""
    host: Annotated[str, SERVER] = "127.0.0.1"
    """Address to listen on. Any other than loopback lets other machines query the encoder."""
    allow_host: Annotated[tuple[str, ...], SERVER, Flag(repeated=True, metavar="NAME")] = ()
    """Name by which the page may be asked for, besides loopback, the host and, where it listens on
    every address, all addresses."""
    port: Annotated[int, Field(ge=0, le=65535), SERVER] = 7860
    """Port to listen on; 0 means any free one."""
    open: Annotated[bool, SERVER] = False
    """Open the page in a browser."""

    def __post_init__(self) -> None:
        """Take the brackets off an IPv6 address, and refuse what is no name and no address."""
        for field, given in (("host", (self.host,)), ("allow_host", self.allow_host)):
            for host in given:
                if not _is_host(host):
                    raise InputError(
                        f"{field} is {printable(host)!r}; it must be a name or an address "
                        "without a port, such as localhost, 127.0.0.1 or ::1"
                    )
        object.__setattr__(self, "host", self.host.strip("[]"))
        object.__setattr__(self, "allow_host", tuple(one.strip("[]") for one in self.allow_host))


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return re.fullmatch(r"[\w.-]{1,253}", text, re.ASCII) is not None
    return True
