"""The one exception that means "your input is wrong", told in one sentence and shown without a traceback."""


class InputError(ValueError):
    """Bad input met at the boundary: the message names the file, the record, what was expected and what to do."""
