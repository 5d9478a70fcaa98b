# The commands of a checkout: each target makes the environment that it needs. README has `make serve DIR=./dist` and
# `make test`.

PYTHON ?= python3
VENV ?= .venv
DIR ?= examples/site
ARGS ?=
# A folder's name as one word of the shell.
quote = '$(subst ','\'',$(1))'
# More jobs than cores: most tests wait for a server.
JOBS ?= 4
SECONDS = 60
PY = $(VENV)/bin/python
# By a path, not by setuptools' finder of modules: that takes 25 ms of each start of Python.
EDITABLE = --config-settings editable_mode=compat --editable
# With UV=uv, uv installs packages, several times faster than pip.
UV ?=
INSTALL = $(if $(UV),$(UV) pip install --quiet --python $(PY),$(PY) -m pip install --quiet --disable-pip-version-check)
# The extra with the packages of the tests: test, or test-basics for the tests that .ci/run repeats on other Pythons.
TEST_EXTRA ?= test
PYENV_ROOT ?= $(HOME)/.pyenv
find-python = $(firstword $(wildcard $(PYENV_ROOT)/versions/$(1).*/bin/python) $(shell command -v python$(1) 2>/dev/null) python$(1))
VERSIONS ?= 3.11 3.12 3.13 $(if $(findstring /,$(call find-python,3.14)),3.14)
# Sources of extensions: a change of one needs a new build.
COMPILED := $(shell find fastfile -name "*.pyx" -o -name "*.pxd")
COMPILED += $(wildcard $(shell find fastfile -name '*.so' | sed 's/[.].*/.py/'))

.PHONY: serve build test test-pure test-all fuzz torture sanitize soak h2spec bench docs screenshots lint annotate check clean
.NOTPARALLEL:

# Compiled where `make build` or `make test` has been run, else pure Python from the checkout, which needs no installation.
serve: find-dir $(if $(wildcard $(VENV)/ready),,find-python)
ifneq ($(wildcard $(VENV)/ready),)
	$(VENV)/bin/fastfile $(ARGS) $(call quote,$(DIR))
else
	@echo 'This is pure Python. "make build" compiles fastfile: several times faster, after a minute or two.'
	$(PYTHON) -m fastfile $(ARGS) $(call quote,$(DIR))
endif

.PHONY: find-dir
find-dir:
	@test -e $(call quote,$(DIR)) || { printf 'DIR=%s: no such folder or file\n' $(call quote,$(DIR)) >&2; exit 2; }

build: $(VENV)/ready

test: $(VENV)/ready-$(TEST_EXTRA)
	$(PY) -m pytest --numprocesses $(JOBS) $(ARGS)

test-pure: $(VENV)/ready-$(TEST_EXTRA)
	FASTFILE_NO_EXTENSIONS=1 FASTFILE_REQUIRE_EXTENSIONS= $(PY) -m pytest --numprocesses $(JOBS) $(ARGS)

test-all: $(addprefix test-python-,$(VERSIONS))

test-python-%:
	$(MAKE) test test-pure PYTHON=$(call find-python,$*) VENV=.venv-$* FASTFILE_TEST_LOOP=uvloop
	$(MAKE) test test-pure PYTHON=$(call find-python,$*) VENV=.venv-$* FASTFILE_TEST_LOOP=asyncio

find-python-%:
	@echo $(call find-python,$*)

# Run each fuzzer for SECONDS; new inputs stay in build/fuzz, where the next run begins.
fuzz: fuzz-parser fuzz-http fuzz-http2 fuzz-rules

fuzz-%: $(VENV)/ready-fuzz
	PYTHONPATH=tests $(PY) -m fuzz.$* -max_total_time=$(SECONDS)

# Conformance to HTTP/2, by h2spec, which must be on PATH.
h2spec: $(VENV)/ready-test
	PYTHONPATH=tests $(PY) tests/tools/h2spec.py

# Run for 30 minutes, or for SECONDS.
soak: $(VENV)/ready-test
	PYTHONPATH=tests $(PY) tests/tools/soak.py $(if $(filter command line environment,$(origin SECONDS)),$(SECONDS),1800)

# Race against the confinement for SECONDS, for each kernel: no byte from outside may be sent.
torture: $(VENV)/ready-test
	FASTFILE_TEST_RACE_S=$(SECONDS) $(PY) -m pytest tests/storage/test_confinement_race.py $(ARGS)

# Test the kernels under AddressSanitizer and UBSan.
sanitize: $(VENV)/ready-test $(VENV)/ready-lint
	$(PY) tests/tools/sanitize.py $(ARGS)

# Measure the parts, then fastfile beside other servers: a quarter of an hour, or two minutes with ARGS=--quick.
bench: $(VENV)/ready-bench
	$(PY) -m pytest benchmarks --benchmark-only
	$(PY) -m benchmarks $(ARGS)

# Build the site of docs/ in build/docs; `fastfile build/docs` serves it.
docs: $(VENV)/ready-docs
	$(PY) -m properdocs build --strict --clean

# The pictures in docs/, taken by Chromium.
screenshots: $(VENV)/ready-test
	PYTHONPATH=tests $(PY) tests/tools/screenshots.py $(ARGS)

lint: $(VENV)/ready-lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/codespell *.md docs deploy fastfile tests benchmarks examples
	. $(VENV)/bin/activate && cython-lint fastfile  # cython-lint needs pycodestyle on the path
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml deploy/publish-github.yml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.gitlab-ci deploy/publish-gitlab.yml
	$(VENV)/bin/zizmor --offline --quiet --no-progress .github

annotate: $(VENV)/ready-lint
	$(PY) tests/tools/annotate.py

check: lint test test-pure

clean:
	rm -rf .venv* build *.egg-info
	find fastfile -name '*.so' -delete -o -name '*.c' -delete

.PHONY: find-python
find-python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "fastfile needs Python 3.11 or newer: make PYTHON=...")'

# bin/pip, not bin/python: without Debian's python3-venv, python -m venv leaves an environment without pip.
$(VENV)/bin/pip: | find-python
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: $(VENV)/bin/pip pyproject.toml setup.py $(COMPILED)
	@echo 'Installing fastfile into $(VENV). With a C compiler, this compiles it once: a minute or two, without further output.'
	$(INSTALL) $(EDITABLE) .
	touch $@

# For an installed package, pip adds the packages of the extra and builds nothing.
$(VENV)/ready-%: $(VENV)/ready
	$(INSTALL) 'fastfile[$*]'
	touch $@
