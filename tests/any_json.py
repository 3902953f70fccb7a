"""Whatever JSON a stranger may send, for tests that it makes nothing stumble."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)

# On a busy machine a slow example is no finding.
PATIENTLY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
