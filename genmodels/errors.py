"""The exceptions that reach a person, each with one sentence that can be shown as it is."""


class BadInput(ValueError):
    """Something given from outside is wrong: the message names it and what is allowed."""


class TrainingFailed(RuntimeError):
    """A training cannot go on: the message names the term, the step and what was kept."""


class Damaged(BadInput):
    """A file on the disk is not what it should be: the message names it and what is wrong."""


class Busy(BadInput):
    """Another process is working on it."""
