# The pipeline with every package at the version of the lock file.
#
#   docker build --tag robust-papers .
#   docker run --rm --volume "$PWD/results:/robust-papers/results" robust-papers
#   docker run --rm robust-papers snakemake --cores 2 jat_table3
#
# CONTRIBUTING.md says what of this was tried.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /robust-papers
ENV PIP_NO_CACHE_DIR=1 PATH=/robust-papers/.venv/bin:$PATH

# Packages first: a change of the code then builds in seconds.
COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --no-compile --requirement requirements.lock

COPY . .
RUN make setup

CMD ["make", "demo"]
