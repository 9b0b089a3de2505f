"""``anyrank monitor``: text, JSON and the exit code."""

import json

from click.testing import CliRunner

from anyrank.cli import cli

RUN = CliRunner()


def write(path, scores):
    rows = [{"query": f"q{i}", "ranking": [{"id": "a", "score": s}], "trace": []} for i, s in enumerate(scores)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_drift_is_told_and_is_the_exit_code(tmp_path):
    old = write(tmp_path / "old.jsonl", range(30))
    same = write(tmp_path / "same.jsonl", range(1, 31))
    new = write(tmp_path / "new.jsonl", range(50, 80))
    calm = RUN.invoke(cli, ["monitor", old, same], standalone_mode=False)
    assert calm.return_value == 0
    assert "30 queries before, 30 after" in calm.output
    alarm = RUN.invoke(cli, ["monitor", old, new, "--json"], standalone_mode=False)
    assert alarm.return_value == 1
    best = json.loads(alarm.output)["changes"][0]
    assert (best["name"], best["old"], best["new"], best["size"]) == ("best score", 14.5, 64.5, 1.0)
