# make app    opens the app; on a fresh machine it first makes .venv and installs what is needed
# make test   runs every test         make test ARGS="-k vae tests/test_train.py"
# make lint   formatting, lint, types
# make lock   requirements.lock and requirements-torch.lock anew, after a change of requirements.txt or to renew what it requires
# make audit  whether a locked package has a known vulnerability; make pin  the base image's digest of today (needs Docker)
# make bench  the speed of each loop against its peers
# make space  the folder to push to a Space of the Hugging Face Hub; make space-check does what its Dockerfile says
#
# On a computer without an NVIDIA GPU, PyTorch for CPUs is a tenth of the download: make app TORCH_INDEX=<its index>,
# the one for CPUs that pytorch.org/get-started names; where that does not answer, the usual packages come.
# Needed: Python 3.11 or newer with venv, and make.

PYTHON ?= python3
PROCESSES ?= 2
ARGS ?=
TORCH_INDEX ?=
export TORCH_INDEX
VENV := .venv
PY := $(VENV)/bin/python
CHROMIUM := $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

LOCKS := requirements.lock requirements-torch.lock

.PHONY: app test lint format lock audit pin bench space space-check chromium clean
.DEFAULT_GOAL := app

app: $(VENV)/app.stamp
	$(PY) -m streamlit run app.py --server.showEmailPrompt=false $(ARGS)

test: $(VENV)/dev.stamp chromium
	OMP_NUM_THREADS=1 $(PY) -m pytest -p xdist -n $(PROCESSES) --dist loadfile $(ARGS)

lint: $(VENV)/dev.stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy genmodels app.py pages benchmarks

format: $(VENV)/dev.stamp
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements-dev.txt)"
	$(PY) docker/lock.py

audit: $(VENV)/dev.stamp
	$(PY) -m pip_audit --strict --require-hashes --disable-pip --progress-spinner off $(LOCKS:%=-r %)

pin:
	sh docker/pin.sh Dockerfile

bench: $(VENV)/bench.stamp
	$(PY) -m benchmarks $(ARGS)

space:
	$(PYTHON) docker/space.py dist/space

space-check: $(VENV)/dev.stamp space
	OMP_NUM_THREADS=1 $(PY) docker/check.py dist/space

clean:
	rm -rf dist $(VENV) .pytest_cache .mypy_cache .ruff_cache test-results

# The stamps are newer than the locks as long as nothing must be installed.
$(VENV)/app.stamp: $(LOCKS) | $(PY)
	sh docker/install.sh $(PY) .
	@touch $@

$(VENV)/dev.stamp: $(LOCKS) requirements-dev.txt | $(PY)
	sh docker/install.sh $(PY) .
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/app.stamp

$(VENV)/bench.stamp: $(LOCKS) requirements-dev.txt requirements-bench.txt | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@ $(VENV)/dev.stamp $(VENV)/app.stamp

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "genmodels needs Python 3.11 or newer: install it, or name it, as in: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call apt,python3-venv,Python's venv module)
	$(PYTHON) -m venv $(VENV)

chromium:
ifeq ($(CHROMIUM),)
	@$(call apt,chromium,The browser that the tests drive)
endif

# $(call apt,PACKAGE,WHAT IT IS): as root, or with sudo; elsewhere a sentence that says what to do.
define apt
{ command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || command -v sudo >/dev/null; } || { \
  echo "$(2) is missing: install it (on Debian and Ubuntu the package is $(1)) and try again." >&2; exit 1; }; \
  root=; [ "$$(id -u)" = 0 ] || root=sudo; \
  $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null; }
endef
