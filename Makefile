# `make` alone lists the targets. Works with GNU make 3.81 (macOS) and later, also as `make -C /path`.

# Every target acts in the folder that `make` runs in, which must be this checkout.
ifeq ($(filter Makefile ./Makefile,$(strip $(MAKEFILE_LIST))),)
$(error This Makefile acts in its own folder alone: use `make -C` with that folder in place of `make -f`)
endif

# A notebook's kernel works in another folder: paths in the environment variables are made absolute, once.
absolute = $(if $(filter /% ~%,$(firstword $(1))),$(1),$(CURDIR)/$(1))
ifneq ($(strip $(KMNIST_MLP_DATA)),)
override KMNIST_MLP_DATA := $(call absolute,$(KMNIST_MLP_DATA))
export KMNIST_MLP_DATA
endif
ifneq ($(strip $(KMNIST_MLP_CACHE)),)
override KMNIST_MLP_CACHE := $(call absolute,$(KMNIST_MLP_CACHE))
export KMNIST_MLP_CACHE
endif
ifneq ($(strip $(KMNIST_MLP_RESULTS)),)
override KMNIST_MLP_RESULTS := $(call absolute,$(KMNIST_MLP_RESULTS))
export KMNIST_MLP_RESULTS
endif

# --- Python ------------------------------------------------------------------------------------------
# The active conda environment if it is this project's (environment.yml); else .venv, which `setup`
# builds once. PYTHON says what to build it with; unset, the first of these that is new enough is taken.
PYTHON ?=
CANDIDATES = $(if $(PYTHON),"$(PYTHON)",python3 python3.14 python3.13 python3.12 python3.11)

ENVIRONMENT_NAME := kmnist-mlp
CONDA := $(if $(CONDA_PREFIX),$(filter $(ENVIRONMENT_NAME),$(CONDA_DEFAULT_ENV)))
PY := $(if $(CONDA),$(CONDA_PREFIX)/bin/python,.venv/bin/python)

# Notebook kernels start in play/ or notebooks/, where an editable install decides which kmnist_mlp they import. In
# a conda environment that may be another clone's; with this, it is always the checkout `make` runs in.
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
# A conda environment would otherwise prefer what `pip install --user` once put into the home directory.
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup report report-single report-pdf html test test-unit test-notebooks test-lab test-machines notebooks lab lab-edit course data bench grid readings published beyond reference mutants lint check lock clean distclean

help: ## List the targets
	@echo "make report and make test do everything; the others are parts of them and tools:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-19s%s\n", $$1, $$2 }' Makefile
	@echo "PYTHON=python3.12 chooses the Python for .venv; PYTEST_ARGS, NBVAL_ARGS, LAB_ARGS, BENCH_ARGS pass options on."

# --- The report --------------------------------------------------------------------------------------
report: setup ## Run the notebooks and export them: build/report/index.html
	@"$(PY)" -m kmnist_mlp.report

report-single: setup ## The same report as one file: build/kmnist_report.html
	@"$(PY)" -m kmnist_mlp.report --single

report-pdf: setup ## The same report as PDF: build/kmnist_report.pdf (needs Chromium)
	@"$(PY)" -m kmnist_mlp.report --pdf

html: setup ## Export the committed notebooks as they are: build/html/index.html
	@"$(PY)" -m kmnist_mlp.report --committed

notebooks: setup ## Run the committed notebooks again, in place
	@"$(PY)" -m kmnist_mlp.report --in-place

lab: setup ## Open JupyterLab on your own copy of the notebooks: play/ (kept, ignored by git)
	@"$(PY)" -m kmnist_mlp.report --play && "$(PY)" -m jupyterlab play $(LAB_ARGS)

lab-edit: setup ## Open JupyterLab on the committed notebooks themselves
	@"$(PY)" -m jupyterlab notebooks $(LAB_ARGS)

course: setup ## Pack a class's copy and the solutions: build/kmnist_course.zip
	@"$(PY)" -m kmnist_mlp.report --course

data: setup ## Download and verify KMNIST, or say how to place it by hand
	@"$(PY)" -m kmnist_mlp.datasets

# --- Checks ------------------------------------------------------------------------------------------
test: test-unit test-notebooks ## Run the unit tests, then the notebooks as tests

test-unit: setup ## Run the unit tests
	@"$(PY)" -m pytest -n auto --dist loadfile tests --ignore=tests/test_jupyterlab.py $(PYTEST_ARGS)

# Against an empty result cache, so that nothing old can pass for a result of the present code. The
# experiments come first: together they fill all cores, which one notebook after the other would not.
test-notebooks: setup ## Run the notebooks afresh (one seed) and compare their outputs
	@results=$$(mktemp -d) || exit 1; \
	trap 'rm -rf "$$results"' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP; \
	export KMNIST_MLP_RESULTS="$$results" KMNIST_MLP_SEEDS=1; \
	"$(PY)" -m kmnist_mlp.experiments || exit; \
	"$(PY)" -m pytest -n auto --dist loadfile --nbval --nbval-current-env -p no:cacheprovider notebooks $(NBVAL_ARGS)

# Its own target: minutes, for what has no number. The data is the stand-in whatever is there.
test-lab: setup ## Use every notebook in JupyterLab with a headless browser (stand-in)
	@"$(PY)" -m pytest tests/test_jupyterlab.py $(PYTEST_ARGS)

# A result may depend on none of this: BLAS kernel : number of threads. The time zone, language and
# width of the terminal are unusual throughout.
MACHINES ?= Haswell:1 SkylakeX:2 Zen:2 Prescott:1
test-machines: setup ## Run the notebooks as tests as on other processors
	@for machine in $(MACHINES); do \
	  export OPENBLAS_CORETYPE=$${machine%:*} OPENBLAS_NUM_THREADS=$${machine#*:}; \
	  echo "=== kernel $${machine%:*}, $${machine#*:} thread(s)"; \
	  "$(PY)" -c 'import numpy; a = numpy.ones((300, 300), "f"); a @ a' 2>/dev/null \
	    || { echo "This processor cannot execute it: left out."; continue; }; \
	  TZ=Asia/Tokyo LC_ALL=C COLUMNS=40 $(MAKE) --no-print-directory test-notebooks || exit; \
	done

lint: setup ## Check style, format, types of the core and direction of imports
	@"$(PY)" -m ruff check .
	@"$(PY)" -m ruff format --check .
	@"$(PY)" -m mypy
	@"$$(dirname "$(PY)")/lint-imports" --no-logo --no-cache
	@"$(PY)" -m check_jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

check: lint ## Lint, and the quick unit tests of what has changed since the last commit (stand-in)
	@tests=$$("$(PY)" tests/concerned.py) || exit; \
	if [ -z "$$tests" ]; then echo "No quick test concerns what has changed."; exit 0; fi; \
	KMNIST_MLP_DATASET=stand-in "$(PY)" -m pytest -q -n auto --dist loadfile $$tests $(PYTEST_ARGS)

bench: setup ## Time training beside its matrix products and other libraries
	@"$(PY)" -m kmnist_mlp.benchmark $(BENCH_ARGS)

grid: setup ## Measure the sweep, twenty seeds and k-NN again (notebooks 2 and 6; half an hour)
	@"$(PY)" -m kmnist_mlp.experiments.sweep && "$(PY)" -m kmnist_mlp.experiments.seeds && \
	"$(PY)" -m kmnist_mlp.experiments.other_classifiers

readings: setup ## Train all experiments under other readings of the paper (notebook 9; 1.5 hours, resumable)
	@"$(PY)" -m kmnist_mlp.experiments.readings

published: setup ## Train the paper's published algorithm and its ablation again (notebook 9; an hour, resumable)
	@"$(PY)" -m kmnist_mlp.experiments.published_runs

beyond: setup ## Train the networks beyond the paper that have no record (notebook 7; hours, resumable)
	@"$(PY)" -m kmnist_mlp.beyond

# --- For maintainers ---------------------------------------------------------------------------------
reference: setup ## Measure the reference results and their tolerances again
	@"$(PY)" -m kmnist_mlp.experiments.measure_reference $(REFERENCE_ARGS)

# Small changes to the numerical code, one at a time, against its unit tests. mutmut needs
# fork (no Windows); it does not change constants, properties and cached functions.
mutants: setup ## Change the numerical code in 2,600 ways: do the tests notice? (20 minutes)
	@"$(PY)" -c 'import mutmut' 2>/dev/null || "$(PY)" -m pip install --quiet -c constraints.txt mutmut || exit; \
	rm -rf mutants; mkdir -p build; unset PYTHONPATH KMNIST_MLP_DATA; \
	export KMNIST_MLP_DATASET=stand-in OMP_NUM_THREADS=1; \
	"$(PY)" -m mutmut run $(MUTMUT_ARGS) >build/mutants.log 2>&1 || { tail -n 40 build/mutants.log; exit 1; }; \
	"$(PY)" tests/surviving_mutants.py

# One version of each package for all supported Pythons and systems ("fewest"), so that they all compute
# with the same NumPy. `uv` is looked up next to Python because conda's package has no Python module.
lock: setup ## Pin the newest versions of all packages in constraints.txt
	@PATH="$$(dirname "$(PY)"):$$PATH"; export PATH; \
	command -v uv >/dev/null || "$(PY)" -m pip install --quiet -c constraints.txt uv || exit; \
	uv pip compile pyproject.toml --extra test --extra cluster --extra mutants \
	  --extra lock --universal --python-version 3.11 --fork-strategy fewest \
	  --upgrade --quiet --no-emit-index-url --annotation-style line \
	  --custom-compile-command "make lock" --output-file constraints.txt && \
	echo "constraints.txt is up to date; run 'make test' before you commit it."

clean: ## Remove build/ and the tools' caches (not .venv, play/ or the data)
	rm -rf build mutants .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis *.egg-info
	find . \( -name .venv -o -path ./play \) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# If it is interrupted, what is left is still known as ours.
EMPTY_VENV = : > .venv/by-make && find .venv -mindepth 1 ! -path .venv/by-make -delete

distclean: clean ## Remove .venv too
	if [ -L .venv ]; then rm .venv; elif [ -e .venv/by-make ] || [ -e .venv/stamp ]; then \
	  $(EMPTY_VENV) && rm -rf .venv; fi

# --- Setting up .venv --------------------------------------------------------------------------------
# .venv/stamp is written last and holds what .venv was built from: this path (an environment does not
# survive a move or copy) and the checksums of the two files. While it is true and Python still runs,
# nothing is done. When only the files changed, pip brings the environment up to date; anything else (no
# stamp: the last try was interrupted; PYTHON names another one) is built anew, which is quick, as pip keeps
# its downloads. .venv/by-make is written first and removed last: what lacks it, or is a link, is somebody
# else's and is left alone. One make at a time builds: .venv.lock is a link to the number of its process, and
# that of a dead one counts for nothing.
# PYTHONPATH is unset here: pip must see what is installed, not what merely lies in the checkout.
# pip puts the checkout's path into a .pth file, which Python before 3.13 reads in the encoding of the locale and
# dies of what is not ASCII in it under LC_ALL=C. The same folder as seen from the file is plain ASCII.
setup: ## Build .venv; the targets above do so by themselves, once
ifeq ($(CONDA),)
	@unset PYTHONPATH; told=; \
	if [ -L .venv ] || { [ -e .venv ] && ! [ -e .venv/by-make ] && ! [ -e .venv/stamp ]; }; then \
	  echo ".venv is not an environment that make has built; it is left as it is." >&2; \
	  echo "Move it away (mv .venv other), and make builds its own." >&2; exit 1; \
	fi; \
	here=$$(pwd -P); sums=$$(cksum pyproject.toml constraints.txt); \
	current() { \
	  stamp=; if .venv/bin/python -c 'import pip' 2>/dev/null; then stamp=$$(cat .venv/stamp 2>/dev/null); fi; \
	  if [ -n "$(PYTHON)" ]; then \
	    which='import sys; print(sys.base_prefix, sys.version)'; \
	    wanted=$$("$(PYTHON)" -c "$$which" 2>/dev/null) \
	      || { echo "PYTHON=$(PYTHON) was not found, or does not run." >&2; exit 1; }; \
	    if [ "$$wanted" != "$$(.venv/bin/python -c "$$which" 2>/dev/null)" ]; then stamp=; fi; \
	  fi; \
	  [ "$$stamp" = "$$here $$sums" ]; \
	}; \
	if current; then exit 0; fi; \
	until ln -s "$$$$" .venv.lock 2>/dev/null; do \
	  holder=$$(readlink .venv.lock); \
	  if [ -z "$$holder" ]; then ln -s "$$$$" .venv.lock && break || exit 1; fi; \
	  if ! kill -0 "$$holder" 2>/dev/null; then rm -f .venv.lock; continue; fi; \
	  if [ -z "$$told" ]; then \
	    told=1; echo "Waiting for process $$holder, which is setting up .venv (if it is not: rm .venv.lock) ..."; \
	  fi; \
	  sleep 1; \
	done; \
	trap 'rm -f .venv.lock' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM HUP; \
	if current; then exit 0; fi; \
	rm -f .venv/stamp; \
	case "$$stamp" in \
	"$$here "*) \
	  echo "Bringing .venv up to date with pyproject.toml and constraints.txt ...";; \
	*) \
	  python=; found=; \
	  for candidate in $(CANDIDATES); do \
	    version=$$("$$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) \
	      || { found="$$found\n  $$candidate: not found, or does not run"; continue; }; \
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; \
	      then python=$$candidate; break; fi; \
	    found="$$found\n  $$candidate: Python $$version"; \
	  done; \
	  if [ -z "$$python" ]; then \
	    printf '%b\n' "Python 3.11 or newer is needed. Looked at:$$found" >&2; \
	    echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; \
	  fi; \
	  if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "$$python (Python $$version) has no working venv module, which is needed to build .venv." >&2; \
	    echo "On Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; \
	  fi; \
	  echo "Setting up .venv with Python $$version (once, a minute or two) ..."; \
	  mkdir -p .venv && $(EMPTY_VENV) && \
	  "$$python" -m venv .venv || exit;; \
	esac; \
	if .venv/bin/python -m pip install --quiet -c constraints.txt -e '.[test]'; then \
	  for path in .venv/lib/python*/site-packages/*kmnist_mlp*.pth; do \
	    if [ -f "$$path" ]; then echo ../../../.. > "$$path"; fi; \
	  done; \
	  echo "$$here $$sums" > .venv/stamp; \
	else \
	  echo "Setting up .venv failed (see above); the next make tries again." >&2; \
	  echo "The pinned versions are made for Python 3.11 to 3.14; name one: make PYTHON=python3.12" >&2; \
	  exit 1; \
	fi
else
	@:
endif
