# `make demo` trains a small BERT; `make test` runs the tests; `make compare` trains another by the paper's
# recipe for the same minutes and sets it beside the demo. Each makes .venv first, once.

PYTHON := .venv/bin/python
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

ifneq ($(shell command -v uv),)
CREATE := uv venv --seed .venv
INSTALL := uv pip install --python $(PYTHON)
else
CREATE := python3 -m venv .venv
INSTALL := $(PYTHON) -m pip install
endif

.PHONY: demo compare test

demo: .venv/made-data
	@[ ! -e runs/demo ] || echo "runs/demo is there: going on from it. For a new run: rm -r runs/demo"
	$(PYTHON) -m minibert pretrain bert-tiny --corpus sotu --out runs/demo --resume auto
	$(PYTHON) -m minibert fill runs/demo "The [MASK] of the union"
	$(PYTHON) -m minibert fill runs/demo "We must keep the [MASK] with all nations."
	$(PYTHON) -m minibert report runs/demo

compare: demo
	$(PYTHON) -m minibert pretrain bert-tiny --corpus sotu --out runs/paper --resume auto --optimizer adamw --position-init normal --word-bias zero --mask-rate 0.15 --dropout 0.1
	$(PYTHON) -m minibert report runs/demo runs/paper

test: .venv/made-data,test
	$(PYTHON) -m pytest

# A stamp for each set of extras: made again only when the dependencies change.
.venv/made-%: pyproject.toml constraints.txt
	[ -x $(PYTHON) ] || $(CREATE)
	$(INSTALL) -c constraints.txt -e '.[$*]'
	touch $@
