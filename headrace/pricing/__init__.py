"""What calls cost: prices, where they come from, and which one is in force."""

from headrace.pricing.price import Price, Rates, Tier

__all__ = ["Price", "Rates", "Tier"]
