"""Writes the measured figures of the reproduction cards (src/anyrank/papers/measured.json) from bench/results.

python bench/reproductions.py
"""

from __future__ import annotations

import json
from pathlib import Path

from anyrank.papers.reproduction import FOLDER, read_values


def main() -> None:
    values = read_values(Path(__file__).parent / "results")
    text = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "measured.json").write_text(text, encoding="utf-8")
    print(f"{len(values)} measured figures")


if __name__ == "__main__":
    main()
