"""From a configuration to jobs: the study, its checks, fingerprints, and the seam to Snakemake."""
