"""`headrace demo`, smaller and faster than by default."""

import json

from tests.commands import headrace


def test_the_demo_comes_out_as_expected_whatever_the_environment_says(tmp_path):
    hostile = {"HEADRACE_DATABASE_URL": "nonsense", "HEADRACE_PROVIDER_URL": "nonsense", "HEADRACE_RPM": "1"}

    ended = headrace(
        "demo", "--jobs", 60, "--rpm", 1200, "--data-dir", "it", "--workers", 1, cwd=tmp_path, **hostile
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [json.loads(line) for line in (tmp_path / "it/demo-results.jsonl").read_text().splitlines()]
    given = [json.loads(line) for line in (tmp_path / "it/demo-input.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [line["id"] for line in given]
    assert [line["custom_id"] for line in lines if line["response"]["status_code"] != 200] == ["must-fail"]
    assert "60/60" in ended.stdout
    assert "tokens" in ended.stdout
    assert "关于“" in ended.stdout
    assert {len(line["messages"]) for line in given} > {1, 3, 6}
    assert [path.name for path in tmp_path.iterdir()] == ["it"]
