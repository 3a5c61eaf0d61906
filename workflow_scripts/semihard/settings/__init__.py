"""What the settings of all rooms share, and how things are found by their name in a configuration.

Each room has its knobs in its own `settings.py`: name, default, unit and source (docs/configuration.md is made from them);
workflow.settings puts them together. Nothing in a `settings.py` computes: a stage that reads its settings depends on
their values, which Snakemake tracks, not on these files.
"""
