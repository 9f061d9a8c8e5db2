# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
WORKERS ?= 2
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
APT := ffmpeg sox libsox-fmt-all espeak-ng sctk chromium fonts-dejavu-core curl

.PHONY: demo test bench clean

demo: $(VENV)/.demo
	$(BIN)/asrkit demo

test: $(VENV)/.test
	@sh tests/system-packages.sh $(APT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST)

bench: $(VENV)/.test
	$(INSTALL) -e '.[offline,benchmark]'
	$(BIN)/python benchmarks/local.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml
	@echo "installing into $(VENV): some 5 GB, a few minutes"
	$(INSTALL) -e '.[offline,serve]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	@echo "installing into $(VENV): some 5 GB, a few minutes"
	$(INSTALL) -e '.[offline,test]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV)
