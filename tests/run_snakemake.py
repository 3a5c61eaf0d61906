"""Snakemake in this process, the scripts of its jobs in another Python: run_snakemake.py PYTHON ARGUMENT…"""

import sys

from snakemake.cli import main

if __name__ == "__main__":
    sys.executable = sys.argv.pop(1)
    main()
