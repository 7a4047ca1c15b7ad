"""The commands that find what says the same: mine, score and align-documents. They parse, call and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hexapla.cli.options import Debug, Overwrite, Pickle, Quiet, Remote, State, calm_libraries


def mine(
    source: Annotated[
        str,
        typer.Argument(help="Text, JSONL, CSV, TSV or Parquet, plain or compressed, or a folder."),
    ],
    target: Annotated[str, typer.Argument(help="Likewise, in another language.")],
    encoder: Annotated[str, typer.Option(help="Hub name, encoder folder, or tiny.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .tsv or .parquet.")],
    source_field: Annotated[
        str | None, typer.Option(help="Field that holds the source's text.")
    ] = None,
    target_field: Annotated[
        str | None, typer.Option(help="Field that holds the target's text.")
    ] = None,
    k: Annotated[
        int, typer.Option("--k", help="Neighbours that a margin score takes the mean of.")
    ] = 4,
    margin: Annotated[str, typer.Option(help="ratio, distance or absolute.")] = "ratio",
    retrieval: Annotated[str, typer.Option(help="max, intersection, forward or backward.")] = "max",
    threshold: Annotated[
        float | None, typer.Option(help="Least margin score; all pairs if not given.")
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="GOLD", help="Known pairs, which choose the threshold of the best F1."
        ),
    ] = None,
    search: Annotated[str, typer.Option(help="exact, ivf-pq by FAISS, or auto: by size.")] = "auto",
    memory: Annotated[int, typer.Option(help="MiB that the exact search may take.")] = 2048,
    batch_size: Annotated[int, typer.Option(help="Texts in one forward pass.")] = 64,
    executor: Annotated[str, typer.Option(help="local, or a ray cluster.")] = "local",
    workers: Annotated[int, typer.Option(help="Tasks of the cluster at once.")] = 1,
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster.")] = None,
    gpus: Annotated[
        float, typer.Option(help="That Ray gives to a task; may be a part of one.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the sample that FAISS's index is trained on.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run.")
    ] = False,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Mine bitext: find the sentences of two piles of text that translate one another, the best first."""
    from hexapla.mine import MineConfig
    from hexapla.mine import mine as run
    from hexapla.mine.stage import told

    calm_libraries()
    pairs, found = run(
        MineConfig(
            source=source,
            target=target,
            encoder=encoder,
            out=out,
            source_field=source_field,
            target_field=target_field,
            k=k,
            margin=margin,
            retrieval=retrieval,  # type: ignore[arg-type]
            threshold=threshold,
            calibrate=calibrate,
            search=search,
            memory_mib=memory,  # type: ignore[arg-type]
            batch_size=batch_size,
            executor=executor,
            workers=workers,
            address=address,
            gpus=gpus,  # type: ignore[arg-type]
            seed=seed,
            resume=resume,
            overwrite=overwrite,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        ),
        quiet=State.quiet,
    )
    typer.echo(f"{out}: {len(pairs)} pairs")
    if found is not None:
        typer.echo(told(found))


def score(
    bitext: Annotated[
        Path, typer.Argument(help="TSV, CSV, JSONL or Parquet with a field for each side.")
    ],
    encoder: Annotated[str, typer.Option(help="Hub name, encoder folder, or tiny.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .tsv or .parquet.")],
    source_field: Annotated[str, typer.Option(help="Field of the one side.")] = "source",
    target_field: Annotated[str, typer.Option(help="Field of the other.")] = "target",
    k: Annotated[
        int, typer.Option("--k", help="Neighbours that a margin score takes the mean of.")
    ] = 4,
    margin: Annotated[str, typer.Option(help="ratio, distance or absolute.")] = "ratio",
    memory: Annotated[int, typer.Option(help="MiB that the search may take.")] = 2048,
    batch_size: Annotated[int, typer.Option(help="Texts in one forward pass.")] = 64,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Give every pair of a bitext its cosine and its margin score among the others there."""
    import sys

    from hexapla.mine import ScoreConfig
    from hexapla.mine import score as run

    calm_libraries()
    table = run(
        ScoreConfig(
            bitext=bitext,
            encoder=encoder,
            out=out,
            source_field=source_field,
            target_field=target_field,
            k=k,
            margin=margin,
            memory_mib=memory,
            batch_size=batch_size,
            overwrite=overwrite,  # type: ignore[arg-type]
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        ),
        quiet=State.quiet or not sys.stderr.isatty(),
    )
    typer.echo(
        f"{out}: {table.num_rows} pairs, {table.num_rows - table['margin'].null_count} of them scored"
    )


def align_documents(
    source: Annotated[
        Path, typer.Argument(help="Text file, a sentence a line, plain or compressed.")
    ],
    target: Annotated[Path, typer.Argument(help="Its translation, likewise.")],
    encoder: Annotated[str, typer.Option(help="Hub name, encoder folder, or tiny.")],
    out: Annotated[Path, typer.Option("--out", help="TSV file to write.")],
    skip_cost: Annotated[
        float | None,
        typer.Option(
            help="Of a sentence without translation. [dim]\\[default: taken from the documents][/dim]"
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Texts in one forward pass.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the sentences that distances are measured by.")] = 0,
    overwrite: Overwrite = False,
    trust_remote_code: Remote = False,
    allow_pickle: Pickle = False,
    debug: Debug = False,
    quiet: Quiet = False,
) -> None:
    """Align the sentences of a document with those of its translation: 1-1, 1-2, 2-1, and gaps."""
    import sys

    from hexapla.mine import AlignDocumentsConfig
    from hexapla.mine import align_documents as run

    calm_libraries()
    links = run(
        AlignDocumentsConfig(
            source=source,
            target=target,
            encoder=encoder,
            out=out,
            skip_cost=skip_cost,
            batch_size=batch_size,
            seed=seed,
            overwrite=overwrite,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        ),
        quiet=State.quiet or not sys.stderr.isatty(),
    )
    linked = [link for link in links if link.source and link.target]
    merged = sum(len(link.source) + len(link.target) > 2 for link in linked)
    typer.echo(
        f"{out}: {len(linked)} links, {merged} of them with two sentences on a side; {len(links) - len(linked)} gaps"
    )
