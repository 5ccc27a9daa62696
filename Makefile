# Everything runs in .venv, which the targets make; nothing needs to be installed first but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo

.PHONY: help install demo test lint bench picture clean

help:  ## Show this help.
	@echo "amodalsynth: make TARGET"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 12

.venv/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Error: $(PYTHON) is older than Python 3.11; give a newer one with make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e .
	@touch $@

.venv/.all: .venv/.core
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

install: .venv/.all  ## Install amodalsynth with every extra into .venv.

demo: .venv/.core  ## Make a small Intra-AFruit from the built-in pack, print its statistics, draw a contact sheet.
	$(BIN)/amodalsynth generate --dataset intra-afruit --foregrounds builtin --backgrounds builtin --split train --num-images 240 --out $(DEMO) --resume
	$(BIN)/amodalsynth stats $(DEMO)
	@echo
	$(BIN)/amodalsynth sheet $(DEMO)

test: .venv/.all  ## Run the tests.
	$(BIN)/python -m pytest -n auto

lint: .venv/.all  ## Check style.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/.all  ## Measure speed against a plain reference and the floor; results go to benchmarks/results.
	$(BIN)/python -m benchmarks.run

picture: .venv/.core  ## Draw the README's picture from the built-in pack.
	rm -rf scratch/picture
	$(BIN)/amodalsynth generate --dataset intra-afruit --foregrounds builtin --backgrounds builtin --split test --num-images 6 --seed 12 --out scratch/picture
	$(BIN)/amodalsynth sheet scratch/picture --num-images 6 --to docs/scenes.jpg

clean:  ## Remove what the targets made, but no data set.
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
