# make serve | test | lint | format | clean      (PYTHON=python3.12 make serve picks an interpreter)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: serve test test-fast lint format readme clean

serve: $(VENV)/.app
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.dev chromium libreoffice
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not model and not browser" $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.readme --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

readme: $(VENV)/.app
	$(BIN)/python -m tools.readme

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt requirements-milvus.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $(VENV)/.app $@

# The browser tests drive the system's Chromium; where it cannot be installed they are skipped and say so.
.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk >/dev/null; } || \
	  echo "没有 chromium：浏览器测试会跳过。Debian/Ubuntu 上请运行 sudo apt-get install chromium fonts-noto-cjk"

# Its tests are skipped where it is missing.
.PHONY: libreoffice
libreoffice:
	@command -v soffice >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends libreoffice-writer-nogui \
	  libreoffice-impress-nogui libreoffice-calc-nogui >/dev/null; } || echo "没有 LibreOffice：读 .doc 和 .ppt 的测试会跳过"

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache artifacts
