# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT := ffmpeg sox libsox-fmt-all espeak-ng

.PHONY: demo test lint bench clean

demo: $(VENV)/.demo
	$(BIN)/asrkit demo

test: $(VENV)/.test
	@sh tests/system-packages.sh $(APT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PYTEST)

bench: $(VENV)/.test
	$(BIN)/pip install --quiet -e '.[offline,benchmark]'
	$(BIN)/python benchmarks/local.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --progress-bar off -e '.[offline]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --progress-bar off -e '.[offline,test]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV)
