"""The language of similarity bins: "quantile-5", or "threshold-0.3-0.6" and "threshold--0.1-0.3"."""

import re

from semihard.errors import InputError

NUMBER = r"-(-?[0-9.]+)"
BINNING = r"quantile-[1-9][0-9]*|threshold(?:-(?:-?[0-9.]+))+"


def parse_binning(binning: str) -> tuple[str, list[float]]:
    """("quantile", [5]) of "quantile-5", ("threshold", [-0.1, 0.3]) of "threshold--0.1-0.3". Raises InputError."""
    try:
        numbers = [float(number) for number in re.findall(NUMBER, binning)]
    except ValueError:
        numbers = []
    if not numbers or not re.fullmatch(BINNING, binning):
        raise InputError(f"binning {binning!r}: expected e.g. quantile-5 or threshold--0.1-0.3")
    return binning.partition("-")[0], numbers


def count_of_bins(binning: str) -> int:
    """How many bins there are."""
    kind, numbers = parse_binning(binning)
    return int(numbers[0]) if kind == "quantile" else len(numbers) + 1
