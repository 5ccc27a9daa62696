# Everything runs in .venv, which the targets make; nothing needs to be installed first but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
ABLATION ?= scratch/ablation
ABLATION_MINUTES ?= 5
REAL := ../shared/assets
SOURCES := $(if $(wildcard $(REAL)/dtd),--foregrounds $(REAL)/fruits-360-original-size --backgrounds $(REAL)/dtd/images,--foregrounds builtin --backgrounds builtin)

.PHONY: help install demo test test-slow lint bench bench-formats bench-report bench-train train-curve ablation gpu-pack gpu-bench gpu-ablation picture screenshots clean

help:  ## Show this help.
	@echo "amodalsynth: make TARGET"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

.venv/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Error: $(PYTHON) is older than Python 3.11; give a newer one with make PYTHON=..."; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e .
	@touch $@

.venv/.all: .venv/.core
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test,train]'
	@touch $@

install: .venv/.all  ## Install amodalsynth with every extra into .venv.

demo: .venv/.core  ## Make a small Intra-AFruit from the built-in pack, print its statistics, draw a contact sheet and a browsable report.
	$(BIN)/amodalsynth generate --dataset intra-afruit --foregrounds builtin --backgrounds builtin --split train --num-images 240 --out $(DEMO) --resume
	$(BIN)/amodalsynth stats $(DEMO)
	@echo
	$(BIN)/amodalsynth sheet $(DEMO)
	$(BIN)/amodalsynth report $(DEMO) --to $(DEMO)/report.html

test: .venv/.all  ## Run the tests.
	$(BIN)/python -m pytest -n auto

test-slow: .venv/.all  ## Run the tests that take minutes: overfitting with each configuration's head.
	$(BIN)/python -m pytest -m slow

lint: .venv/.all  ## Check style.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/.all  ## Measure speed against a plain reference and the floor; results go to benchmarks/results.
	$(BIN)/python -m benchmarks.run

bench-formats: .venv/.all  ## Measure export, import, validate and evaluate-results, the latter beside pycocotools.
	$(BIN)/python -m benchmarks.formats

bench-report: .venv/.all  ## Measure time, memory and size of reports of 1,000 and 100,000 images.
	$(BIN)/python -m benchmarks.report

bench-train: .venv/.all  ## Measure training steps and inference beside torchvision's Mask R-CNN.
	$(BIN)/python -m benchmarks.train_step

train-curve: .venv/.all  ## Train `small` for 1, 2 and 5 minutes on real cutouts, where they are, and evaluate it.
	$(BIN)/python -m benchmarks.train_curve

ablation: .venv/.all  ## Train and evaluate the rows of the paper's ablation with `small` on this CPU, three seeds each.
	$(BIN)/amodalsynth generate --dataset intra-afruit $(SOURCES) --set separate_backgrounds=true --split train --num-images 10000 --out $(ABLATION)/data --no-appearances --resume
	$(BIN)/amodalsynth generate --dataset intra-afruit $(SOURCES) --set separate_backgrounds=true --split test --num-images 500 --out $(ABLATION)/data --no-appearances --resume
	$(BIN)/amodalsynth points $(ABLATION)/data --split train
	$(BIN)/amodalsynth benchmark --table 3 --data $(ABLATION)/data --minutes $(ABLATION_MINUTES) --seeds 3 --out $(ABLATION)/runs --resume
	$(BIN)/amodalsynth benchmark --table 4 --data $(ABLATION)/data --minutes $(ABLATION_MINUTES) --seeds 3 --out $(ABLATION)/runs --resume

gpu-pack: .venv/.all  ## Build a folder of prepared assets (34 MB) for a machine with a GPU, in scratch/gpu-pack.
	$(BIN)/python -m benchmarks.gpu_pack

gpu-bench: .venv/.all  ## On a GPU: throughput, then `r50` for 8 minutes.
	$(BIN)/python -m benchmarks.gpu_bench throughput
	$(BIN)/python -m benchmarks.gpu_bench train

gpu-ablation: .venv/.all  ## On a GPU: the rows of the paper's Table 3 with `small`, three minutes each.
	$(BIN)/python -m benchmarks.gpu_ablation --trainings baseline lp
	$(BIN)/python -m benchmarks.gpu_ablation --trainings cascade lp-cascade

picture: .venv/.core  ## Draw the README's picture from the built-in pack.
	rm -rf scratch/picture
	$(BIN)/amodalsynth generate --dataset intra-afruit --foregrounds builtin --backgrounds builtin --split test --num-images 6 --seed 12 --out scratch/picture
	$(BIN)/amodalsynth sheet scratch/picture --num-images 6 --to docs/scenes.jpg

screenshots: .venv/.all  ## Draw the README's screenshots of the report from the built-in pack, in Chromium.
	rm -rf scratch/screenshots
	$(BIN)/amodalsynth generate --dataset inter-amix --foregrounds builtin --backgrounds builtin --split test --num-images 96 --seed 3 --out scratch/screenshots/fruit
	$(BIN)/amodalsynth generate --dataset intra-afruit --foregrounds builtin --backgrounds builtin --split test --num-images 48 --seed 4 --out scratch/screenshots/more-fruit
	$(BIN)/python -m benchmarks.screenshots scratch/screenshots docs

clean:  ## Remove what the targets made, but no data set.
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
