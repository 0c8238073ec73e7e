# `make` alone lists the targets. Each does the set-up it needs, and nothing twice.

PYTHON := .venv/bin/python
# The CD builder needs nothing of .venv. Looked up when it is used: set-up may have installed it only then.
HOST_PYTHON = $$(test -x /usr/bin/python3 && echo /usr/bin/python3 || echo python3)
CD := build/media/debian-13.iso
DEMO := build/demo
KILLS ?= 1000
# Two more than processors: tests wait for guests as long as they compute.
WORKERS := $(shell expr $$(nproc) + 2)

# Tests start hundreds of Pythons, each of which would compile all of Oz anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-guests test-real torture fuzz lint bench cd standins setup setup-run setup-media clean
.NOTPARALLEL:

help:
	@echo 'make demo       install a Debian 13 from its install CD, customize it, list its packages (build/demo)'
	@echo 'make test       all tests but the long ones'
	@echo 'make test-guests every installer'"'"'s route, from media that stand in for the real ones; and its failures'
	@echo 'make test-real  a whole installation through the programs, checked from inside'
	@echo 'make torture    builds killed at any moment, KILLS=1000 times, and all that they must not leave'
	@echo 'make fuzz       hostile input of every kind for SECONDS=60 in all, from SEED=N if given'
	@echo 'make lint       ruff, mypy, codespell'
	@echo 'make bench      measure what is meant to be fast (build/bench.json)'
	@echo 'make cd         the Debian 13 install CD of the demo and the tests (build/media)'
	@echo 'make standins   the Debian packages that stand-in media are made of (build/standin)'
	@echo 'make setup      system packages and .venv for all of the above'
	@echo 'make clean      remove what all of the above made'

setup-run:
	@./setup.sh packages run media
	@./setup.sh python

setup-media:
	@./setup.sh packages media

setup:
	@./setup.sh packages run media test
	@./setup.sh python test

# The builder itself knows whether its CD is current.
cd: setup-media
	@$(HOST_PYTHON) tests/media/build.py --output build/media

standins: setup-media
	@$(HOST_PYTHON) tests/guest/standin/packages.py build/standin

demo: setup-run cd
	@mkdir -p $(DEMO)
	@$(PYTHON) examples/demo.py --cd $(CD) --output $(DEMO)

# Two runs beside each other. test_uris has a process of its own: one that has embedded libvirt can connect to no daemon.
# It is one alone: two daemons that start guests at once take the same port for VNC.
# In the other, a file to a worker, the longest ones, which come first in the tree, first: by default they would come last.
test: setup cd
	@$(PYTHON) -m pytest tests/guest/test_uris.py >build/test-uris.log 2>&1 & uris=$$!; status=0; \
	$(PYTHON) -m pytest -m 'not real and not torture and not guests' --ignore tests/guest/test_uris.py \
	    -n $(WORKERS) --dist loadfile --no-loadscope-reorder || status=$$?; \
	wait $$uris || status=$$?; cat build/test-uris.log; exit $$status

# A guest has one processor, and so each its own, which the seconds it prints are about. What goes through is noted in
# oz/guests/proofs.tsv, from which --list-guests has it.
test-guests: setup standins
	$(PYTHON) -m pytest tests/guest -m guests --record-proofs -n $(shell nproc) --dist worksteal

test-real: setup cd
	$(PYTHON) -m pytest -m real

torture: setup
	$(PYTHON) -m pytest tests/guest/test_kill.py tests/guest/test_torture.py --kills $(KILLS)

# atheris has no wheel for every Python: without it the bytes are changed blindly
fuzz: setup
	-$(PYTHON) -m pip install --quiet --no-deps 'atheris>=3'
	$(PYTHON) tests/fuzz/run.py --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED))

lint: setup
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/mypy tests/media
	.venv/bin/codespell

bench: setup
	$(PYTHON) tests/bench.py --json build/bench.json

clean:
	rm -rf build .venv oz.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
