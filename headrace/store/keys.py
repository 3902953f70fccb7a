"""API keys: made once, shown once, known afterwards by their SHA-256."""

import hashlib
import secrets

from sqlmodel import Session, col, select

from headrace.clock import now
from headrace.ids import new_id
from headrace.models import ApiKey

PREFIX = "hr-"
ADMIN_PREFIX = "hr-admin-"
SHOWN_CHARACTERS = 6  # of the random ones


def create(
    session: Session, name: str, secret: str | None = None, *, is_admin: bool = False
) -> tuple[ApiKey, str]:
    """A new key and its secret (256 random bits unless given), which is not kept."""
    prefix = ADMIN_PREFIX if is_admin else PREFIX
    secret = secret or prefix + secrets.token_urlsafe(32)
    key = ApiKey(
        id=new_id("key_"),
        name=name,
        prefix=secret[: len(prefix) + SHOWN_CHARACTERS],
        sha256=digest(secret),
        is_admin=is_admin,
    )
    session.add(key)
    session.flush()
    return key, secret


def find(session: Session, secret: str) -> ApiKey | None:
    """The live key with this secret. The look-up is by hash, so its timing tells nothing of the secret."""
    wanted = select(ApiKey).where(ApiKey.sha256 == digest(secret), col(ApiKey.revoked_at).is_(None))
    return session.exec(wanted).first()


def list_all(session: Session) -> list[ApiKey]:
    """Every key ever made, oldest first."""
    return list(session.exec(select(ApiKey).order_by(col(ApiKey.id))))


def revoke(session: Session, key_id: str) -> bool:
    """Close a key; False when there is no such live key."""
    key = session.get(ApiKey, key_id)
    if key is None or key.revoked_at is not None:
        return False
    key.revoked_at = now()
    return True


def is_live(session: Session, key_id: str) -> bool:
    """Whether there is such a key that is not revoked."""
    key = session.get(ApiKey, key_id)
    return key is not None and key.revoked_at is None


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
