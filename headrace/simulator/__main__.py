"""`python -m headrace.simulator`."""

import typer

from headrace.simulator.command import simulate

if __name__ == "__main__":
    typer.run(simulate)
