# Everything builds its own environment in .venv; nothing but Python ≥ 3.11, git and make has to be there.
PYTHON ?= python3
CORES ?= all
# uv does not read pip's setting for local wheels, and leaves byte-compiling to the first start of every job.
INSTALL = UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" .venv/bin/uv pip install --quiet --python .venv/bin/python --compile-bytecode

.PHONY: demo verify ancestry check_results test test-slurm test-image studies lint docs site lock wheels clean

demo: .venv/run.stamp  ## render, train, synthesize, verify, report: results/demo and report.zip
	.venv/bin/snakemake --cores $(CORES)
	.venv/bin/snakemake --report report.zip

verify: .venv/run.stamp  ## the accuracy table of your checkpoint: MODEL=backbone.pth LAYOUT=iresnet50 BENCHMARKS="lfw.bin cfp_fp.bin"
	@PYTHONPATH=workflow_scripts .venv/bin/python -m semihard.workflow.verify_checkpoint "$(MODEL)" $(BENCHMARKS) --layout "$(LAYOUT)" --pixels "$(PIXELS)" --cores $(CORES)

ancestry: .venv/run.stamp  ## how a number came to be: OF=results/demo/study/scores.csv ROW=synthetic COLUMN=AVG
	@PYTHONPATH=workflow_scripts .venv/bin/python -m semihard.workflow.ancestry "$(OF)" --row "$(ROW)" --column "$(COLUMN)"

check_results: .venv/run.stamp  ## is every result as it was made: RESULTS=results/demo
	@PYTHONPATH=workflow_scripts .venv/bin/python -m semihard.workflow.check_results "$(RESULTS)"

test: .venv/test.stamp  ## the whole test suite
	.venv/bin/python -m pytest -n auto --maxprocesses 8 tests/unit
	.venv/bin/python -m pytest -n auto --maxprocesses 8 --dist loadscope --no-loadscope-reorder tests/studies tests/workflow

SLURM = slurm-wlm munge slurmdbd mariadb-server
test-slurm: .venv/test.stamp  ## a real SLURM of two nodes on this machine, and studies on it (as root on Debian: installs what is missing)
	-{ command -v slurmctld && command -v slurmdbd && command -v munged && command -v mariadbd; } >/dev/null || \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(SLURM); } >/dev/null
	.venv/bin/python -m pytest --durations=0 tests/slurm

test-image: .venv/test.stamp  ## the Dockerfile's image without Docker, and studies in it (as root on Debian: installs what is missing)
	-{ command -v buildah && command -v mmdebstrap; } >/dev/null || \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends buildah mmdebstrap; } >/dev/null
	.venv/bin/python -m pytest --durations=0 tests/image

studies: .venv/test.stamp  ## every configuration of configs/ at a hundredth of its size, on rendered stand-ins of its files
	.venv/bin/python -m pytest -n auto --maxprocesses 8 --dist loadscope --no-loadscope-reorder tests/studies -m "$(MARK)"

lint: .venv/test.stamp  ## what CI checks beside the tests
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint

docs: .venv/run.stamp  ## write docs/configuration.md, docs/config.schema.json and docs/artifacts.md anew
	PYTHONPATH=workflow_scripts .venv/bin/python -m semihard.workflow.docs_pages

site: .venv/test.stamp  ## site/: the pages to read in a browser
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet

.venv/bin/uv:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "semihard needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet uv

.venv/run.stamp: requirements.txt | .venv/bin/uv
	$(INSTALL) -r requirements.txt
	touch $@

.venv/test.stamp: requirements-test.txt | .venv/bin/uv
	$(INSTALL) -r requirements-test.txt
	touch $@ .venv/run.stamp

CUDA = --no-emit-package triton $$(sed 's/^/--no-emit-package /' envs/cuda-packages.txt)
COMPILE = .venv/bin/uv pip compile --quiet --universal --no-annotate --no-header $(CUDA)

lock: .venv/bin/uv  ## pin pyproject.toml's dependencies anew (CUDA packages come with torch's own pins), and envs/ by them
	for extra in "" "--extra test"; do \
	  $(COMPILE) --python-version 3.11 --extra workflow --extra slurm $$extra pyproject.toml \
	    -o requirements$$(test -n "$$extra" && echo -test).txt || exit; done
	for env in envs/*.yaml; do \
	  sed -n '/# what these need/q; s/^      - \([a-z0-9-]*\).*/\1/p' $$env > .venv/names.txt && \
	  $(COMPILE) --python-version 3.12 --constraint requirements.txt .venv/names.txt -o .venv/pins.txt && \
	  sed 's/.*/^&==/' .venv/names.txt > .venv/imported.txt && \
	  { sed '/^      /d' $$env; grep -f .venv/imported.txt .venv/pins.txt | sed 's/^/      - /'; echo '      # what these need in turn'; \
	    grep -vf .venv/imported.txt .venv/pins.txt | sed 's/^/      - /'; } > .venv/environment.yaml && \
	  cp .venv/environment.yaml $$env || exit; done

WHEEL_TAGS = --python-version 3.12 --implementation cp $(foreach n,2_28 2_27 2_17,--platform manylinux_$(n)_x86_64) \
  --platform manylinux2014_x86_64 --platform manylinux1_x86_64

wheels: .venv/bin/uv  ## wheels/: what a GPU machine without network lacks (Python 3.12, PyTorch there already)
	sed '/^#/d; /^connection-pool/d' envs/offline-wheels.txt > .venv/offline-wheels.txt
	.venv/bin/pip download --quiet --no-deps --only-binary=:all: $(WHEEL_TAGS) -d wheels -r .venv/offline-wheels.txt
	.venv/bin/pip wheel --quiet --no-deps -w wheels $$(grep ^connection-pool envs/offline-wheels.txt)

clean:  ## remove the environment and what building the package leaves; results stay
	rm -rf .venv build workflow_scripts/*.egg-info
