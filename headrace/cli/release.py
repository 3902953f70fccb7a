"""`headrace release`: held requests sent once more, or given up."""

from typing import Annotated

import typer

from headrace.cli.options import DEFAULT_URL, BatchOption, DataDir, Url
from headrace.cli.remote import connected
from headrace.errors import ConfigurationError

Jobs = Annotated[
    list[str] | None, typer.Argument(metavar="[JOB]...", help="Their ids, job_...", show_default=False)
]
Fail = Annotated[bool, typer.Option("--fail", help="End them as failed; call no more.")]


def release(
    jobs: Jobs = None,
    batch_id: BatchOption = None,
    fail: Fail = False,
    url: Url = DEFAULT_URL,
    data_dir: DataDir = None,
) -> None:
    """Let held requests go: they are called once more at least, and so may be paid for twice."""
    if bool(jobs) == bool(batch_id):
        raise ConfigurationError("name the jobs that are to go, or a --batch")
    to = "fail" if fail else "queue"
    with connected(url, data_dir) as client:
        if batch_id:
            released = client.release_batch(batch_id, to)
        else:
            released = len(jobs or [])
            for job_id in jobs or []:
                client.release(job_id, to)
    typer.echo(f"{released:,} {'failed' if fail else 'queued again'}")
