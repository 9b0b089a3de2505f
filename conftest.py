"""Rooms that stand on an extra are collected only where that extra is installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["src/anyrank/models/*", "src/anyrank/train/*"]
if not find_spec("pyteomics"):
    collect_ignore_glob.append("src/anyrank/peptides/*")
