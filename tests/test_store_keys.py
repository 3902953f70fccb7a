"""API keys: shown once, found by their hash while they live."""

import pytest
from sqlalchemy.exc import IntegrityError

from headrace.store import keys
from headrace.store.tables import api_keys

pytest_plugins = ["tests.databases"]


def test_a_key_is_found_by_its_secret(store):
    with store.db.begin() as session:
        key, secret = keys.create(session, "laptop")

    with store.db.read() as session:
        found = keys.find(session, secret)
        assert found is not None
        assert (found.id, found.name) == (key.id, "laptop")
        assert keys.find(session, secret + "x") is None
        assert keys.find(session, key.sha256) is None
        assert keys.find(session, "") is None


def test_a_secret_has_256_random_bits_and_is_not_stored(store):
    with store.db.begin() as session:
        key, secret = keys.create(session, "laptop")
        _, other = keys.create(session, "laptop")

    assert secret.startswith("hr-")
    assert len(secret) >= len("hr-") + 256 / 6
    assert secret != other
    with store.db.read() as session:
        (row,) = session.execute(api_keys.select().where(api_keys.c.id == key.id))
    assert all(secret not in str(value) for value in row)
    assert row.prefix == secret[:9]


def test_a_given_secret_is_taken_once(store):
    with store.db.begin() as session:
        assert keys.create(session, "mine", "hr-given")[1] == "hr-given"

    with pytest.raises(IntegrityError), store.db.begin() as session:
        keys.create(session, "again", "hr-given")


def test_a_revoked_key_is_not_found_and_still_listed(store):
    with store.db.begin() as session:
        key, secret = keys.create(session, "lost")
    with store.db.begin() as session:
        assert keys.revoke(session, key.id)
        assert not keys.revoke(session, key.id)
        assert not keys.revoke(session, "key_unknown")

    with store.db.read() as session:
        assert keys.find(session, secret) is None
        assert [listed.name for listed in keys.list_all(session)] == ["the tests", "lost"]
        assert keys.list_all(session)[1].revoked_at is not None
