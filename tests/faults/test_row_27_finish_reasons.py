"""Row 27: answers that end with `length`, `content_filter` or a refusal are answers."""

import json

from headrace.files import path_of
from headrace.states import BatchStatus
from tests.batch_input import line
from tests.invariants import check
from tests.kinds import each_database_in_faults

pytest_plugins = ["tests.databases", "tests.hints", "tests.planted"]

EACH = 5
ENDS = {
    "length": ("length", None, {"max_tokens": 1}),
    "filter": ("content_filter", None, {}),
    "refusal": ("stop", "I'm sorry", {}),
}


def asking(kind, number):
    marker = "" if kind == "length" else f"[[sim:{kind}]]"
    messages = [{"role": "user", "content": f"{marker} Tell me all of it. {number}"}]
    return line(f"{kind}.{number}", body={"messages": messages, **ENDS[kind][2]})


@each_database_in_faults
def test_answers_that_end_early_are_stored_as_they_are_and_not_asked_for_again(plant):
    witness = plant.provider()
    plant.worker()

    batch = plant.finished(plant.submit(*(asking(kind, n) for kind in ENDS for n in range(EACH))))

    assert (batch.status, batch.succeeded) == (BatchStatus.COMPLETED, EACH * len(ENDS))
    assert batch.error_file_id is None
    account = check(plant.store.db, [witness], files=plant.settings.files_dir)
    assert account.extra_calls == 0
    assert account.billed_tokens == batch.total_tokens
    for answered in path_of(plant.settings.files_dir, batch.output_file_id).read_text().splitlines():
        result = json.loads(answered)
        finish, refusal, _ = ENDS[result["custom_id"].partition(".")[0]]
        (choice,) = result["response"]["body"]["choices"]
        assert choice["finish_reason"] == finish
        assert (choice["message"].get("refusal") or "").startswith(refusal or "")
        assert bool(choice["message"].get("refusal")) == bool(refusal)
