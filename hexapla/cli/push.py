"""The command that puts encoders and corpora on the Hub."""

from __future__ import annotations

from hexapla.cli.options import State, say, silence_libraries
from hexapla.push.config import PushConfig


def push(config: PushConfig) -> None:
    """It is private unless --public is given, and has the card of the folder."""
    from hexapla.push import push as run

    silence_libraries()
    pushed = run(config, quiet=State.quiet)
    if config.dry_run:
        for name in pushed.files:
            say(name)
    if pushed.left_out:
        say(f"left out: {', '.join(pushed.left_out)}")
    size = f"{len(pushed.files)} files, {pushed.n_bytes / 1e6:,.1f} MB"
    if config.dry_run:
        say(f"would be pushed to {pushed.url}: {size}")
        return
    say(f"{pushed.url}: {size}, {'public' if config.public else 'private'}")
    loader = "load_dataset" if pushed.kind == "dataset" else "SentenceTransformer"
    say(f'next: {loader}("{config.repository}")')
