"""A provider with prices, ours and its own, for tests of what calls cost."""

from pathlib import Path
from typing import Any

from tests.plant import KEY, Plant
from tests.witness import Witness

# What the simulator bills, and what headrace.toml says; nobody knows the price of the last model.
BILLED = (
    ("small-model", "0.15,0.075,0.6,cache_write=0.2"),
    ("large-model", "2.505,1.2525,10.01,request=0.0011,discount=0.25,flex=0.5"),
)
MODELS = ("small-model", "large-model", "strange-model")
TABLES = """
[prices.small-model]
input = 0.15
cached_input = 0.075
cache_write = 0.2
output = 0.6

[prices.large-model]
input = 2.505
cached_input = 1.2525
output = 10.01
per_request = 0.0011
discount = 0.25
service_tiers = { flex = 0.5 }
"""
PLACES = """
[providers.simulator]
base_url = "{base_url}"
key = "{key}"

[quotas.simulator]
provider = "simulator"
rpm = {rpm}
"""


def priced_provider(
    plant: Plant, *, rpm: int, tables: str = TABLES, most: int = 400, **config: Any
) -> Witness:
    """A simulator that bills, and a headrace.toml with the same prices, for workers that start later.

    `most` are the tokens of its longest answer, as the configuration says.
    """
    witness = plant.provider(**{"prices": BILLED, "rpm": rpm, **config})
    models = "".join(f'[models.{name}]\nquota = "simulator"\nmax_output_tokens = {most}\n' for name in MODELS)
    text = PLACES.format(base_url=witness.base_url, key=KEY, rpm=rpm) + models + tables
    path: Path = plant.settings.data_dir / "headrace.toml"
    path.write_text(text)
    plant.settings = plant.settings_with(config=path)
    return witness
