"""The commands that measure encoders: evaluate and fetch-data. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli.options import (
    Debug,
    Languages,
    MaxTokens,
    Out,
    Overwrite,
    Pickle,
    PoolingOption,
    Quiet,
    Remote,
    State,
    calm_libraries,
)


def evaluate(
    encoder: Annotated[str, typer.Argument(help="Hub name, encoder folder, or tiny.")],
    suite: Annotated[
        str,
        typer.Option(
            metavar="SUITE|TASK,...",
            help="paper, bitext, sts, classification or quick, or MTEB tasks by name. On data of your own: bitext, "
            "xsim, sts or topics; dev or test on a folder of all.",
        ),
    ],
    out: Out,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder that fetch-data filled, or a corpus, file or folder of your own; without it the Hub."
        ),
    ] = None,
    languages: Languages = None,
    seen: Annotated[
        str | None,
        typer.Option(help="Languages that alignment saw; what the encoder says if not given."),
    ] = None,
    pairs: Annotated[
        str, typer.Option(help="pivot: the pivot with every other language; all: every two.")
    ] = "pivot",
    mteb_compatible: Annotated[
        bool,
        typer.Option(
            "--mteb-compatible", help="Score by MTEB's own evaluator too; leave its result files."
        ),
    ] = False,
    corpus: Annotated[
        str | None,
        typer.Option(help="What the encoder was aligned on, to look for evaluation sentences in."),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Folder to keep vectors in, for further evaluations of the same weights."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Of a corpus of your own: all rows, or held-out.")
    ] = "all",
    held_out: Annotated[
        float, typer.Option(help="Share that was held out, with --split held-out.")
    ] = 0.05,
    batch_size: Annotated[int, typer.Option(help="Texts in one forward pass.")] = 64,
    precision: Annotated[
        str, typer.Option(help="fp32, or bf16: faster where the hardware has it.")
    ] = "fp32",
    max_tokens: MaxTokens = None,
    pooling: PoolingOption = None,
    prompt: Annotated[
        str | None,
        typer.Option(help="Text in front of every text; the encoder's own if not given."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the draws in classification and topics; 42 is MTEB's.")
    ] = 42,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted evaluation in the folder.")
    ] = False,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Measure an encoder on MTEB's tasks or data of your own: bitext mining, similarity, classification."""
    from hexapla.evaluation.config import EvaluateConfig
    from hexapla.evaluation.stage import evaluate as run
    from hexapla.text.languages import parse_list

    calm_libraries()
    scores = run(
        EvaluateConfig(
            encoder=encoder,
            suite=suite,
            data=data,
            out=out,
            languages=parse_list(languages) if languages else None,
            seen=parse_list(seen) if seen else None,
            pairs=pairs,
            split=split,
            held_out_share=held_out,
            batch_size=batch_size,  # type: ignore[arg-type]
            precision=precision,
            pooling=pooling,
            prompt=prompt,  # type: ignore[arg-type]
            mteb_compatible=mteb_compatible,
            corpus=corpus,
            vectors=vectors,
            max_tokens=max_tokens,
            seed=seed,
            resume=resume,
            overwrite=overwrite,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        ),
        quiet=State.quiet,
    )
    typer.echo(f"{out}: {len(scores)} scores of {len({score.task for score in scores})} tasks")


def fetch_data(
    suite: Annotated[
        str,
        typer.Option(
            metavar="SUITE|TASK,...",
            help="paper, bitext, sts, classification, quick, or MTEB tasks.",
        ),
    ],
    out: Out,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Copy the data of MTEB's tasks from the Hub into a folder, for evaluate --data where there is no network."""
    from hexapla.evaluation.fetch import fetch_data as run

    calm_libraries()
    folders = run(suite, out)
    typer.echo(f"{out}: {len(folders)} tasks")
