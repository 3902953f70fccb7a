"""headrace: bulk LLM completions under rate limits, with nothing lost and every call explained."""

__version__ = "0.2.0"
