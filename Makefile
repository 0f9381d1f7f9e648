# Commands on a fresh machine, each sets up all that it needs:
#   make demo   meter a real structural pipeline on a real head   (T1W=scan.nii.gz for your own)
#   make test   style, types, architecture and every test
#   make docs   the pages, in docs/_build/html

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
T1W ?=
N_PROCS ?=
# Files of tests that run at once, for two processors. Those that run engines and schedulers wait
# for them for a third of their time; those that need a cluster have one for each.
N_TESTS ?= 2
N_ENGINE_TESTS ?= 3
LONGEST = $(addprefix tests/integration/test_,smriprep.py nipype_invariants.py \
	batch_engines.py structural.py)
LONGEST_ON_CLUSTERS = $(addprefix tests/cluster/test_,every_node.py drills.py)
files_of = $(wildcard $(1)/test_*.py $(1)/*/test_*.py)
AT_ONCE = -n $(N_TESTS) --dist loadfile
ENGINES_AT_ONCE = -n $(N_ENGINE_TESTS) --dist loadfile --no-loadscope-reorder --reruns 1
# Apart: a browser's driver is a child of the process that tests, and other tests count children.
# What needs a browser, an engine or a scheduler of its own is tried twice before it fails: these
# have time limits that a busy machine can break; what was tried twice is printed.
APART = tests/browser/ tests/integration/ tests/cluster/ tests/support/
export NO_ET = 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# As pip does: trust the machine's own certificates (a proxy's, say).
export UV_SYSTEM_CERTS = 1

.PHONY: demo test check docs clean
.DELETE_ON_ERROR:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "python3 -m venv does not work here (Debian: apt install python3-venv)"; exit 2; }

# uv resolves and unpacks several times faster than pip; where it is not to be had, pip serves.
define install
	@echo "Installing $(1) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet uv 2>/dev/null && \
	  $(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[$(1)]' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet -e '.[$(1)]'
	@touch $@
endef

$(VENV)/.demo-installed: pyproject.toml | $(BIN)/python
	$(call install,demo)

$(VENV)/.test-installed: pyproject.toml | $(BIN)/python
	$(call install,test$(comma)demo$(comma)docs)

$(VENV)/.docs-installed: pyproject.toml | $(BIN)/python
	$(call install,docs)

comma := ,

demo: $(VENV)/.demo-installed
	@$(if $(T1W),,$(BIN)/python workflows/get_demo_image.py)
	@rm -rf demo-output/work
	@run=nicarbon-runs/demo_$$(date -u +%Y%m%d-%H%M%S) && \
	$(BIN)/nicarbon run -o $$run workflows/structural.py --work-dir demo-output/work \
	  --out-dir demo-output/results $(if $(T1W),--t1w '$(T1W)') $(if $(N_PROCS),--n-procs $(N_PROCS)) && \
	$(BIN)/nicarbon report $$run >/dev/null && \
	echo "open in a browser: $(CURDIR)/$$run/report.html"

check: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python workflows/get_demo_image.py
	$(BIN)/pytest $(AT_ONCE) $(filter-out $(APART),$(wildcard tests/*/))
	$(BIN)/pytest $(AT_ONCE) --reruns 1 tests/browser/
	@# The longest first: one that came last would run alone. Each file by its name: beside its
	@# folder's, pytest drops it.
	$(BIN)/pytest $(ENGINES_AT_ONCE) $(LONGEST) \
		$(filter-out $(LONGEST),$(call files_of,tests/integration))
	$(BIN)/pytest $(ENGINES_AT_ONCE) $(LONGEST_ON_CLUSTERS) \
		$(filter-out $(LONGEST_ON_CLUSTERS),$(call files_of,tests/cluster))

# -E: what is taken from the program, such as --help, is no file that Sphinx sees change.
docs: $(VENV)/.docs-installed
	@$(BIN)/sphinx-build -q -E -W --keep-going -n docs docs/_build/html
	@echo "The pages are in docs/_build/html/index.html"

clean:
	rm -rf $(VENV) .cache demo-output docs/_build .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache
