"""What is known of the providers' models: of each provider apart, whole, and never of two lists at once."""

from concurrent.futures import ThreadPoolExecutor

from headrace.store import provider_models
from headrace.store.provider_models import Served

pytest_plugins = ["tests.databases"]

MANY = [Served(f"m-{number}", number, "somebody") for number in range(200)]
AT_ONCE = 8


def replace(store, provider, told):
    with store.db.begin() as session:
        provider_models.replace(session, provider, told)


def known(store, provider):
    with store.db.read() as session:
        return provider_models.known(session, provider)


def test_each_provider_has_models_of_its_own(store):
    replace(store, "p", [Served("b", 2, "x"), Served("a", 1, "")])
    replace(store, "q", [Served("b", 3, "y")])
    replace(store, "p", [Served("b", 2, "z"), Served("c", 0, "")])

    assert known(store, "p") == [Served("b", 2, "z"), Served("c", 0, "")]
    assert known(store, "q") == [Served("b", 3, "y")]
    with store.db.read() as session:
        assert provider_models.find(session, "q", "b") == Served("b", 3, "y")
        assert provider_models.find(session, "q", "c") is None


def test_those_who_replace_at_once_leave_the_list_of_one_of_them(store):
    lists = [MANY[:100], MANY[50:], []] * AT_ONCE

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda told: replace(store, "p", told), lists))

    assert known(store, "p") in [sorted(told) for told in lists]
