"""Failures that are told in one sentence, without a traceback."""


class InputError(ValueError):
    """Bad input met at the boundary: the message names the file, the record, what was expected and what to do."""


class InUseError(InputError):
    """Another process is at work where this one would be: the message names it. Later it may be otherwise."""


class UnmeasurableError(InputError):
    """A face set does not allow a measure: figures and tables say so, and the study goes on."""


class NonFiniteLossError(RuntimeError):
    """A loss was infinite or not a number: the message names the step, the batch and the last good checkpoint."""
