"""Rooms that need an extra are collected only if that extra is installed (`make test-torch` has all), and property
tests give the same verdict on a busy machine and on every run; `--hypothesis-profile=random` draws other examples."""

from importlib.util import find_spec

from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

TORCH = ["src/anyrank/models/*", "src/anyrank/train/*", "tests/models/*", "tests/train/*"]
TORCH += [
    "src/anyrank/domains/peptides/neural/*",
    "src/anyrank/domains/forecasting/reader.py",
    "src/anyrank/domains/recommend/lightgcn.py",
    "src/anyrank/domains/recommend/training.py",
    "src/anyrank/domains/summaries/abstractor.py",
    "src/anyrank/domains/summaries/brio.py",
    "src/anyrank/domains/summaries/planner.py",
    "tests/domains/forecasting/test_reader.py",
    "tests/domains/summaries/test_planner.py",
]
collect_ignore_glob = [] if find_spec("torch") and find_spec("transformers") else TORCH
if not find_spec("pyteomics"):
    collect_ignore_glob.append("src/anyrank/domains/peptides/*")
OPTIONAL = {
    "langchain_core": ["src/anyrank/integrations/langchain.py"],
    "llama_index": ["src/anyrank/integrations/llamaindex.py"],
    "haystack": ["src/anyrank/integrations/haystack.py"],
    "dspy": ["src/anyrank/integrations/dspy.py"],
    "pyterrier": ["src/anyrank/integrations/pyterrier.py"],
    "sklearn": ["src/anyrank/integrations/sklearn.py"],
    "mteb": ["src/anyrank/integrations/mteb.py"],
    "trl": ["src/anyrank/train/grpo_trainer.py"],
    "starlette": ["src/anyrank/serve/*", "tests/serve/*", "tests/cli/test_serve.py"],
    "mcp": ["src/anyrank/serve/mcp.py"],
    "ray": ["tests/scale/test_ray.py"],
}
for package, files in OPTIONAL.items():
    if not find_spec(package):
        collect_ignore_glob += files
