# The two commands of the README (`demo`, `test`) set up everything they need in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Test files side by side, a core each; `make test JOBS=0` is one after another.
JOBS ?= auto
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

.PHONY: demo test test-torch check bench docs clean

demo: $(VENV)/.run
	$(BIN)/anyrank demo --out demo-out

test: $(VENV)/.dev
	$(TESTS)

# The transformers backend, models and training on tiny random models; apart, since torch is large. Of rooms that need
# torch in part, the files that name it: the others have run without it.
WITH_TORCH = $(shell grep -rlE 'torch|transformers|peft|trl' tests/backends tests/domains tests/hub --include='test_*.py')
test-torch: $(VENV)/.torch
	$(TESTS) tests/test_readme.py tests/models tests/train $(WITH_TORCH) src/anyrank/models src/anyrank/train src/anyrank/domains

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_architecture.py

# What runs on the base install; the other scripts of bench/ say in their first lines what they need beside it.
bench: $(VENV)/.dev
	$(BIN)/python bench/bench_io.py
	$(BIN)/python bench/bench_evaluate.py

# The pages of docs/ as a site; a broken link is an error. torch is not needed: what the API shows of it is a stand-in.
docs: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going --quiet -d build/doctrees docs site
	@echo "open site/index.html"

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[eval]'
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[eval,dev,peptides]'
	touch $@

$(VENV)/.torch: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,train,peptides]'
	touch $@

clean:
	rm -rf $(VENV) build dist site demo-out
