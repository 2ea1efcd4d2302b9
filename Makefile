# make run   set up, then reconstruct a complex and a chair (notebooks/00_quickstart.ipynb) into results/quickstart/
# make test  set up, then run every test and every notebook, in two processes (WORKERS=)
# make lab   set up, then open JupyterLab
# make app   set up, then serve the panel alone, with voila
# make docs  set up, then build the site into site/: pages, reference, and every notebook and lesson as it ran
# make docs-fast   the same with the notebooks run in the fast setting of the tests
# make times set up, then run every notebook and lesson in full and print the time and peak memory of each
# make times-fast   the same in the fast setting of the tests
# make fuzz  set up, then try 2,000 bad inputs on every reader and constructor (COUNT=, SEED=)
# make faults  set up, then kill runs and fill their disk at ten random moments (COUNT=, SEED=; some twenty minutes)
# make workers  set up, then time one, two and four workers, and kill ten at random (COUNT=, SEED=; some ten minutes)
# make large  set up, then read the worst files below 20 MB that are known: memory and time (some ten minutes)
# make clean  remove .venv and what was built, but not results/
# make test-browser   set up, then look at the notebooks with a real browser (chromium, from your distribution)

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

PARALLEL = -n $(or $(WORKERS),2) --dist loadfile
NOTEBOOKS = $(sort $(wildcard notebooks/*.ipynb)) $(sort $(wildcard tutorials/*.ipynb))

.PHONY: run test test-browser lab app docs docs-fast times times-fast fuzz faults workers large lint clean

run: $(INSTALLED)
	$(BIN)/python notebooks/run.py notebooks/00_quickstart.ipynb results/quickstart
	@echo
	@echo "Results: results/quickstart/ (open 00_quickstart.html). To explore in JupyterLab: make lab"

# One thread for each process: on small problems two threads mostly wait for each other.
test: $(INSTALLED) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) tests --ignore=tests/browser
	DPSKIT_FAST=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PARALLEL) --nbval-lax --nbval-current-env --nbval-cell-timeout=300 $(NOTEBOOKS)

test-browser: $(INSTALLED)
	$(BIN)/python -m pytest tests/browser -rs -s

fuzz: $(INSTALLED)
	$(BIN)/python -W ignore tests/fuzz/fuzz.py $(or $(COUNT),2000) $(or $(SEED),0)

faults: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/faults/faults.py $(or $(COUNT),10) $(or $(SEED),0)

workers: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore tests/faults/workers.py $(or $(COUNT),10) $(or $(SEED),0)

large: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python tests/large/large.py $(NAMES)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify $(NOTEBOOKS)
	$(BIN)/mypy

lab: $(INSTALLED)
	$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_quickstart.ipynb

app: $(INSTALLED)
	$(BIN)/voila --MappingKernelManager.cull_interval=60 --MappingKernelManager.cull_idle_timeout=1800 \
		notebooks/90_panel.ipynb

docs: $(INSTALLED)
	$(BIN)/python docs/build.py site
	@echo "Open site/index.html. Notebooks whose code has not changed are taken from build/executed."

docs-fast: $(INSTALLED)
	$(BIN)/python docs/build.py --fast site

times: $(INSTALLED)
	$(BIN)/python notebooks/run.py $(NOTEBOOKS) results/times

times-fast: $(INSTALLED)
	$(BIN)/python notebooks/run.py --fast $(NOTEBOOKS) results/times-fast

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing into .venv (about 2 GB, two to ten minutes the first time) ..."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv site build *.egg-info
	@echo "results/ was left as it is."
