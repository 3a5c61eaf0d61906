# The environment of the workflow, and the workflow in it: docs/packaging.md says how it is built and used.
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home semihard \
    && install --directory --owner=semihard /opt/semihard

USER semihard
WORKDIR /opt/semihard
ENV PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1

# By themselves, so that a change of anything else does not fetch PyTorch again.
COPY --chown=semihard Makefile requirements.txt ./
RUN make .venv/run.stamp

COPY --chown=semihard . .
# The stamp is to be newer than the requirements that came with the rest.
RUN .venv/bin/python -m compileall -q workflow_scripts && touch .venv/run.stamp

# Snakemake asks for the name of its user, which one from outside (--user) has not in here.
ENV PATH=/opt/semihard/.venv/bin:$PATH USER=semihard
CMD ["make", "demo"]
