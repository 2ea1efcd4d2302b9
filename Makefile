# make run   set up, then reconstruct a complex and a chair (notebooks/00_quickstart.ipynb) into results/quickstart/
# make test  set up, then run every test and every notebook
# make lab   set up, then open JupyterLab

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test lab lint clean

run: $(INSTALLED)
	$(BIN)/python notebooks/run.py notebooks/00_quickstart.ipynb results/quickstart
	@echo
	@echo "Results: results/quickstart/ (open 00_quickstart.html). To explore in JupyterLab: make lab"

test: $(INSTALLED) lint
	$(BIN)/python -m pytest tests
	DPSKIT_FAST=1 $(BIN)/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify notebooks/*.ipynb

lab: $(INSTALLED)
	$(BIN)/jupyter lab notebooks

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing into .venv (about 2 GB, a few minutes the first time) ..."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv results build *.egg-info
