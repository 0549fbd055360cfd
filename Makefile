# `make` alone lists the targets. Works with GNU make 3.81 (macOS) and later, also as `make -C /path`.

ifeq ($(filter Makefile ./Makefile,$(strip $(MAKEFILE_LIST))),)
$(error This Makefile acts in its own folder alone: use `make -C` with that folder in place of `make -f`)
endif

# A notebook's kernel works in another folder: relative paths in these variables are made absolute.
absolute = $(if $(strip $(1)),$(if $(filter /% ~%,$(firstword $(1))),$(1),$(CURDIR)/$(1)))
override KMNIST_MLP_DATA := $(call absolute,$(KMNIST_MLP_DATA))
override KMNIST_MLP_CACHE := $(call absolute,$(KMNIST_MLP_CACHE))
override KMNIST_MLP_RESULTS := $(call absolute,$(KMNIST_MLP_RESULTS))
export KMNIST_MLP_DATA KMNIST_MLP_CACHE KMNIST_MLP_RESULTS

# Kernels, too, import the checkout that `make` runs in, and nothing from `pip install --user`. An
# editable install in a folder whose name is not ASCII is found in any locale in UTF-8 mode.
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
export PYTHONNOUSERSITE := 1
export PYTHONUTF8 := 1

# The active conda environment if it is this project's (environment.yml), else .venv.
CONDA := $(if $(filter kmnist-mlp,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX))
PY := "$(if $(CONDA),$(CONDA),.venv)/bin/python"
SETUP := $(if $(CONDA),,.venv/stamp)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: $(shell awk -F : '/^[a-z-]+:/ { print $$1 }' Makefile)

help: ## List the targets
	@echo "$(or $(ABOUT),make lab opens the notebooks:)"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-19s%s\n", $$1, $$2 }' Makefile
	@echo "ARGS=... (for JupyterLab LAB_ARGS=...) passes options on; PYTHON=python3.12 chooses the Python for a new .venv."

# --- The report -------------------------------------------------------------------------------------
ABOUT := make report and make test do everything; the others are parts of them and tools:
report: OPTION := ## Run the notebooks and export them: build/report/index.html
report-single: OPTION := --single ## The same report as one file: build/kmnist_report.html
report-pdf: OPTION := --pdf ## The same report as PDF: build/kmnist_report.pdf (needs Chromium)
html: OPTION := --committed ## Export the committed notebooks as they are: build/html/index.html
notebooks: OPTION := --in-place ## Run the committed notebooks again, in place
course: OPTION := --course ## Pack a class's copy and the solutions: build/kmnist_course.zip
report report-single report-pdf html notebooks course: $(SETUP)
	@$(PY) -m kmnist_mlp.report $(OPTION) $(ARGS)
lab-edit: $(SETUP) ## Open JupyterLab on the committed notebooks themselves
	@$(PY) -m jupyterlab notebooks $(LAB_ARGS)

# --- The notebooks and their data; a class gets these targets, and not those above and of Checks --------
# One seed, as nobody should wait for 120 networks in a class.
lab: export KMNIST_MLP_SEEDS := $(or $(strip $(KMNIST_MLP_SEEDS)),1)
lab: $(SETUP) ## Open JupyterLab on your own copy of the notebooks: play/ (kept, ignored by git)
	@echo "Seeds of each experiment: $$KMNIST_MLP_SEEDS (the report has 5: KMNIST_MLP_SEEDS=5 make lab)."
	@$(PY) -m kmnist_mlp.report --play && $(PY) -m jupyterlab play $(LAB_ARGS)
data: $(SETUP) ## Download and verify KMNIST, or say how to place it by hand
	@$(PY) -m kmnist_mlp.datasets

# --- Checks -----------------------------------------------------------------------------------------
test: test-unit test-notebooks ## Run the unit tests, then the notebooks as tests
test-unit: $(SETUP) ## Run the unit tests
	@$(PY) -m pytest -n auto --dist loadfile tests --ignore=tests/test_jupyterlab.py $(ARGS)
# With an empty result cache, so that no old result can pass for one of the present code.
test-notebooks: $(SETUP) ## Run the notebooks afresh (one seed) and compare their outputs
	@results=$$(mktemp -d) || exit 1; \
	trap 'rm -rf "$$results"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP; \
	export KMNIST_MLP_RESULTS="$$results" KMNIST_MLP_SEEDS=1; \
	$(PY) -m kmnist_mlp.report.measure experiments && $(PY) -m pytest -n auto --dist loadfile \
	  --nbval --nbval-current-env -p no:cacheprovider notebooks
test-lab: $(SETUP) ## Use every notebook in JupyterLab with a headless browser (stand-in, minutes)
	@$(PY) -m pytest tests/test_jupyterlab.py $(ARGS)
# A result may depend on none of this: BLAS kernel:threads, time zone, language, width of the terminal.
MACHINES ?= Haswell:1 SkylakeX:2 Zen:2 Prescott:1
test-machines: $(SETUP) ## Run the notebooks as tests as on other processors
	@for machine in $(MACHINES); do \
	  export OPENBLAS_CORETYPE=$${machine%:*} OPENBLAS_NUM_THREADS=$${machine#*:}; \
	  echo "=== kernel $${machine%:*}, $${machine#*:} thread(s)"; \
	  $(PY) -c 'import numpy; a = numpy.ones((300, 300), "f"); a @ a' 2>/dev/null \
	    || { echo "This processor cannot execute it: left out."; continue; }; \
	  TZ=Asia/Tokyo LC_ALL=C COLUMNS=40 $(MAKE) --no-print-directory test-notebooks || exit; \
	done
lint: $(SETUP) ## Check style, format, types of the core and direction of imports
	@$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy
	@$(PY) -c 'from importlinter.cli import lint_imports_command as f; f()' --no-logo --no-cache
	@$(PY) -m check_jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
bench: $(SETUP) ## Time training beside its matrix products and other libraries
	@$(PY) docs/benchmark.py

# --- For maintainers --------------------------------------------------------------------------------
measure: $(SETUP) ## Train or measure kept results again, resumable: WHAT=reference (or --help)
	@$(PY) -m kmnist_mlp.report.measure $(WHAT) $(ARGS)
# Small changes to the numerical code, one at a time, against its unit tests. mutmut needs fork (no
# Windows); it does not change constants, properties and cached functions.
mutants: $(SETUP) ## Change the numerical code in 2,600 ways: do the tests notice? (20 minutes)
	@$(PY) -m pip install --quiet -c constraints.txt mutmut; \
	rm -rf mutants; mkdir -p build; unset PYTHONPATH KMNIST_MLP_DATA; \
	export KMNIST_MLP_DATASET=stand-in OMP_NUM_THREADS=1; \
	$(PY) -m mutmut run $(ARGS) >build/mutants.log 2>&1 || { tail -n 40 build/mutants.log; exit 1; }; \
	$(PY) tests/surviving_mutants.py
lock: $(SETUP) ## Pin the newest versions in constraints.txt, and write environment.yml
	@$(PY) -m pip install --quiet -c constraints.txt uv && $(PY) -m uv pip compile pyproject.toml \
	  --extra test --extra cluster --extra mutants --extra lock --universal --python-version 3.11 \
	  --fork-strategy fewest --upgrade --quiet --no-emit-index-url --annotation-style line \
	  --custom-compile-command "make lock" --output-file constraints.txt
	@$(PY) .ci/environment.py > environment.yml

# --- Cleaning up ------------------------------------------------------------------------------------
clean: ## Remove build/ and the tools' caches (not .venv, play/ or the data)
	rm -rf build mutants .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis *.egg-info
	find . \( -name .venv -o -path ./play \) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
distclean: clean ## Remove .venv too
	if [ -e .venv/stamp ]; then rm -rf .venv; fi

# --- Setting up .venv -------------------------------------------------------------------------------
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
ifneq ($(shell cat .venv/stamp 2>/dev/null),$(CURDIR))
.PHONY: .venv/stamp # an environment does not survive that its checkout is moved or copied
endif

setup: $(SETUP) ## Build .venv; the targets above do so by themselves, once
.venv/stamp: pyproject.toml constraints.txt
	@trap 'exit 130' INT; trap 'exit 143' TERM HUP; \
	if { [ -e .venv ] || [ -L .venv ]; } && ! [ -e $@ ]; then \
	  echo "Another make is building .venv, or it is not make's: wait, or move it away (mv .venv other)." >&2; exit 1; fi; \
	if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3" >&2; exit 1; fi; \
	echo "Setting up .venv with $(PYTHON) (once, a minute or two) ..."; unset PYTHONPATH; \
	trap '[ -e $@ ] || rm -rf .venv' EXIT; \
	"$(PYTHON)" -m venv --clear .venv \
	  && .venv/bin/python -m pip install --quiet -c constraints.txt -e '.[test]' \
	  && echo "$(CURDIR)" > $@ || { echo "Setting up .venv failed (see above): it needs Python 3.11 to 3.14." >&2; exit 1; }
