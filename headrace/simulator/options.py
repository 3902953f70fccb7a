"""The options of the command, with their help."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.simulator.config import ChargeKind
from headrace.simulator.counting import CountKind
from headrace.simulator.faults import KINDS
from headrace.simulator.limits import WindowKind
from headrace.simulator.prices import EXTRAS

LIMITS = "Limits"
ANSWERS = "Answers"
BILLS = "Bills"
FAULTS = "Faults"
LOG = "Log"

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
ExitWithParent = Annotated[bool, typer.Option("--exit-with-parent", help="Exit when standard input closes.")]
Key = Annotated[str | None, typer.Option(help="Bearer key to demand. Without it any key will do, or none.")]
MaxBodyBytes = Annotated[int, typer.Option(help="Largest request body to accept.")]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="A name for the list of models; may be repeated. Any other can be called, too."
    ),
]

Rpm = Annotated[int | None, typer.Option(help="Requests a minute.", rich_help_panel=LIMITS)]
Tpm = Annotated[int | None, typer.Option(help="Tokens a minute.", rich_help_panel=LIMITS)]
MaxInFlight = Annotated[int | None, typer.Option(help="Calls at the same time.", rich_help_panel=LIMITS)]
Window = Annotated[
    WindowKind,
    typer.Option(
        help="How a minute is counted: a strict log of the last 60 s, minutes of the clock, or a bucket that "
        "refills all the time.",
        rich_help_panel=LIMITS,
    ),
]
BurstSeconds = Annotated[
    float, typer.Option(help="Seconds of refill that the bucket holds.", rich_help_panel=LIMITS)
]
Charge = Annotated[
    ChargeKind,
    typer.Option(
        help="What a call costs of the TPM on arrival: its true usage, or its prompt and max_tokens.",
        rich_help_panel=LIMITS,
    ),
]
CountRefused = Annotated[
    bool,
    typer.Option("--count-refused", help="Let refused calls count against the RPM.", rich_help_panel=LIMITS),
]

LatencyMs = Annotated[float, typer.Option(help="Milliseconds to an answer.", rich_help_panel=ANSWERS)]
LatencySpread = Annotated[
    float, typer.Option(help="Share by which that varies up and down, 0 to 1.", rich_help_panel=ANSWERS)
]
CompletionTokens = Annotated[
    int, typer.Option(help="Mean length of an answer; lengths spread widely.", rich_help_panel=ANSWERS)
]

Count = Annotated[
    CountKind,
    typer.Option(
        help="How prompts are counted: a token for four bytes, or exactly as OpenAI's newer models do, which "
        "needs headrace\\[counting].",
        rich_help_panel=BILLS,
    ),
]
CacheWrites = Annotated[
    bool, typer.Option("--cache-writes", help="Let prompts be written to a cache.", rich_help_panel=BILLS)
]
Audio = Annotated[
    bool,
    typer.Option(
        "--audio", help="Let a part of each chat be audio, as far as usage tells.", rich_help_panel=BILLS
    ),
]
Prices = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="MODEL=INPUT,CACHED,OUTPUT",
        help="USD for a million tokens of this model; may be repeated. Extras by name follow, as in "
        f",cache_write=0.2: {', '.join(EXTRAS)}. `request` is USD for each, `discount` a share of "
        "everything, `flex` and `priority` are factors. A model without a price is billed in tokens alone.",
        rich_help_panel=BILLS,
    ),
]

FaultShares = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="KIND=SHARE",
        help="Let this share of calls go wrong, as in 500=0.1; may be repeated. "
        f"KIND is one of {', '.join(KINDS)}. 429 and 503 take a form of "
        "retry-after: 429:absent, 429:date, 429:day, 429:-1. A prompt can ask "
        "for a fault: \\[\\[sim:500]], or \\[\\[sim:500x2]] for the first two calls of the same body.",
        rich_help_panel=FAULTS,
    ),
]
ModelsFault = Annotated[
    str | None,
    typer.Option(
        metavar="KIND", help="Let every request for the list of models go wrong.", rich_help_panel=FAULTS
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of chance and of latency.", rich_help_panel=FAULTS)]
HangSeconds = Annotated[
    float, typer.Option(help="How long hang and timeout keep silent.", rich_help_panel=FAULTS)
]
DripSeconds = Annotated[float, typer.Option(help="Seconds between dripped bytes.", rich_help_panel=FAULTS)]
HugeBytes = Annotated[
    int,
    typer.Option(help="Size of huge and gzip-bomb once unpacked; 0 never ends.", rich_help_panel=FAULTS),
]

Log = Annotated[
    Path | None,
    typer.Option(help="Append a JSON line for each call received, and one for its end.", rich_help_panel=LOG),
]
Fsync = Annotated[
    bool, typer.Option("--fsync", help="Force each line to the disk before answering.", rich_help_panel=LOG)
]
