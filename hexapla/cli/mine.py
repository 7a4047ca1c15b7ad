"""The commands on bitext: mine, score and align-documents."""

from __future__ import annotations

from hexapla.cli.options import State, say, silence_libraries
from hexapla.mine.config import AlignDocumentsConfig, MineConfig, ScoreConfig


def mine(config: MineConfig) -> None:
    """The pairs are written with their scores, the best first."""
    from hexapla.mine import mine as run

    silence_libraries()
    pairs, calibration = run(config, quiet=State.quiet)
    if calibration is not None:
        say(f"{config.out}: {len(pairs)} pairs")
        say(calibration.summary())
    elif config.threshold is not None:
        say(f"{config.out}: {len(pairs)} pairs with a margin score of {config.threshold:g} or more")
    else:
        say(f"{config.out}: all {len(pairs)} pairs that were found, wrong ones too, best first")
        say(
            "Next: read down to where the pairs turn wrong and mine again with --threshold MARGIN; "
            "or give pairs that you know (--calibrate FILE)"
        )


def score(config: ScoreConfig) -> None:
    """The margin score of a pair is relative to the other pairs of the bitext."""
    from hexapla.mine import score as run

    silence_libraries()
    table = run(config, quiet=State.quiet)
    n_scored = table.num_rows - table["margin"].null_count
    say(f"{config.out}: {table.num_rows} pairs, {n_scored} of them scored")


def align_documents(config: AlignDocumentsConfig) -> None:
    """Links are 1-1, 1-2 and 2-1 sentences; sentences without translation are gaps."""
    from hexapla.mine import align_documents as run

    silence_libraries()
    links = run(config, quiet=State.quiet)
    linked = [link for link in links if link.source and link.target]
    n_merged = sum(len(link.source) + len(link.target) > 2 for link in linked)
    say(
        f"{config.out}: {len(linked)} links, {n_merged} of them with two sentences on a side; "
        f"{len(links) - len(linked)} gaps"
    )
