"""What can be said of the providers before anything is sent to them."""

from headrace.config import OPENAI_BASE_URL, Config


def missing_key(config: Config) -> str | None:
    """What to do when a provider is OpenAI and has no key: it would refuse everything."""
    for provider in config.providers.values():
        if provider.base_url == OPENAI_BASE_URL and not provider.secret():
            variable = provider.key_env or "HEADRACE_PROVIDER_KEY or OPENAI_API_KEY"
            return (
                f"there is no key for {provider.base_url}: set {variable}, or name another provider with "
                "HEADRACE_PROVIDER_URL"
            )
    return None
