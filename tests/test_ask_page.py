"""The commands and the program of docs/ask.md run as they stand."""

import json
import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "ask.md").read_text(encoding="utf-8")


def call(line, folder):
    program = f'"{sys.executable}" -m anyrank'
    return subprocess.run(
        ["sh", "-c", line.replace("anyrank", program, 1)], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_commands_run(tmp_path):
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    build, shown, as_json = [line for line in block.splitlines() if line]
    assert call(build, tmp_path).returncode == 0
    done = call(shown, tmp_path)
    assert done.returncode == 0, done.stderr
    (output,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S)
    assert done.stdout == output
    done = call(as_json, tmp_path)
    record = json.loads(done.stdout)
    assert record["known"]
    assert {i for s in record["statements"] for i in s["citations"]} <= {r["id"] for r in record["passages"]["ranking"]}


def test_wrong_calls_say_what_is_missing(tmp_path):
    done = call('anyrank ask "what?"', tmp_path)
    assert done.returncode == 2
    assert "give an INDEX" in done.stderr
    done = call('anyrank ask - "what?" --short', tmp_path)
    assert done.returncode == 2
    assert "--short needs a --model" in done.stderr
    done = call('anyrank ask - "what?"', tmp_path)
    assert done.returncode == 2
    assert "needs an index" in done.stderr


def test_the_program_runs():
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    exec(compile(block, "ask.md", "exec"), {})
