"""An encoder or a corpus -> a repository on the Hub: check, choose, upload.

Nothing is sent before all that can be checked here has been.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hexapla.errors import InputError
from hexapla.push.config import PushConfig
from hexapla.push.push_folder import PushFolder, folder_to_upload, open_to_push
from hexapla.push.pushed_card import make_pushed_card, read_front_matter

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was pushed, or would be.

    Attributes:
        url: Address of the repository.
        kind: "model" or "dataset".
        files: Names of the files.
        n_bytes: Their size.
        left_out: Names of the files and folders that stay here.
    """

    url: str
    kind: str
    files: tuple[str, ...]
    n_bytes: int
    left_out: tuple[str, ...]


def push(config: PushConfig, *, quiet: bool = False) -> Pushed:
    """Push an encoder folder or a corpus folder to the Hub, with its card.

    Args:
        config: Settings.
        quiet: Show no progress.

    Raises:
        InputError: The folder is neither or unfinished, its card is not valid, there is no token,
            or the Hub cannot be reached or refuses. Nothing has been sent then, unless the Hub
            refused a file.
    """
    from huggingface_hub import HfApi

    chosen = open_to_push(config.folder)
    card = make_pushed_card(chosen, config.repository)
    if not read_front_matter(chosen, card).get("license"):
        _log.warning(
            "%s: its licence is not known, so that nobody knows whether they may use it; name one "
            "in the front matter of README.md (license: cc-by-4.0)%s",
            config.folder,
            ", or when the corpus is made (--license)" if chosen.kind == "dataset" else "",
        )
    api = HfApi()
    if not config.dry_run:
        _check_token()
        with _hub_errors(config), folder_to_upload(chosen, card) as folder:
            _upload(api, config, chosen, str(folder), quiet=quiet)
    kind = "datasets/" if chosen.kind == "dataset" else ""
    return Pushed(
        url=f"{api.endpoint}/{kind}{config.repository}",
        kind=chosen.kind,
        files=tuple(map(str, chosen.files)),
        n_bytes=chosen.n_bytes,
        left_out=chosen.left_out,
    )


def _check_token() -> None:
    """Refuse to start without a token or with the network switched off."""
    from huggingface_hub import constants, get_token

    if constants.is_offline_mode():
        raise InputError(
            "HF_HUB_OFFLINE is set, and a push needs the Hub; unset it, or look at what would be "
            "pushed (--dry-run)"
        )
    if not get_token():
        raise InputError(
            "no token of the Hub; make one that may write, at "
            "https://huggingface.co/settings/tokens, and log in with: hf auth login"
        )


def _upload(
    api: HfApi, config: PushConfig, chosen: PushFolder, folder: str, *, quiet: bool
) -> None:
    """Make the repository if it does not exist, and upload the folder in one commit."""
    repository, kind = config.repository, chosen.kind
    api.create_repo(repository, repo_type=kind, private=not config.public, exist_ok=True)
    # An older repository keeps who can see it.
    if not config.public and not api.repo_info(repository, repo_type=kind).private:
        raise InputError(
            f"repository {repository} exists and is public; give --public to push there, or "
            "another name"
        )
    if not quiet:
        _log.info("uploading %d files, %.1f MB", len(chosen.files), chosen.n_bytes / 1e6)
    api.upload_folder(
        repo_id=repository,
        folder_path=folder,
        repo_type=kind,
        commit_message=f"Push {chosen.folder.resolve().name} with Hexapla",
        delete_patterns=list(chosen.patterns),
    )


@contextmanager
def _hub_errors(config: PushConfig) -> Iterator[None]:
    """Say what the Hub refused, and what to do.

    Raises:
        InputError: In place of an error of the Hub or of the network.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except InputError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        what = _REFUSALS.get(status, "the Hub refused it")
        raise InputError(
            f"{config.repository}: {what.format(owner=config.repository.partition('/')[0])} "
            f"({status}: {error.server_message or 'no reason given'})"
        ) from error
    except Exception as error:
        if isinstance(error, ValueError) and "README.md" in str(error):  # of the check of the card
            raise InputError(f"{config.folder / 'README.md'}: {error}; correct it") from error
        # The library's HTTP client is httpx or httpx2, whose errors have the same names.
        names = {base.__name__ for base in type(error).__mro__}
        if not names & {"TransportError", "ConnectionError"}:
            raise
        raise InputError(
            f"the Hub cannot be reached: {error}; check the network, and push again"
        ) from error


_REFUSALS = {
    401: "the Hub does not know the token; log in anew with hf auth login",
    403: "the token may not write to {owner}; make one that may, or give another owner",
    404: "there is no owner {owner}, or the token may not see it; check the name",
    429: "the Hub got too many requests; push again in an hour",
}
