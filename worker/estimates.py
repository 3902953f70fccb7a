"""What a call will probably use, learned from what calls of its lane used."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from headrace.store.jobs import Claim
from headrace.usage import Usage

REMEMBERED = 200
PERCENTILE = 0.6
UNLEARNED_COMPLETION = 256
LEARNING_RATE = 0.05
LEAST_LEARNED = 5


@dataclass
class Estimator:
    """One lane's experience: prompt tokens against their estimate, and the last completions' lengths."""

    prompt_factor: float = 1.0
    _completions: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _typical_completion: int | None = UNLEARNED_COMPLETION

    def tokens(self, claim: Claim) -> int:
        """Tokens to book for a call, prompt and completion together."""
        return max(1, round(claim.prompt_estimate * self.prompt_factor)) + self._completion(
            claim.completion_cap
        )

    def learn(self, claim: Claim, usage: Usage) -> None:
        """Take in what a call really used."""
        if usage.prompt_tokens:
            seen = min(4.0, max(0.25, usage.prompt_tokens / max(1, claim.prompt_estimate)))
            self.prompt_factor += LEARNING_RATE * (seen - self.prompt_factor)
        self._completions.append(usage.completion_tokens)
        if len(self._completions) >= LEAST_LEARNED:
            self._typical_completion = None  # found anew when it is asked for: many answers come between

    def _completion(self, cap: int | None) -> int:
        if self._typical_completion is None:
            self._typical_completion = _percentile(self._completions, PERCENTILE)
        return self._typical_completion if cap is None else min(self._typical_completion, cap)


def _percentile(values: Iterable[int], share: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
