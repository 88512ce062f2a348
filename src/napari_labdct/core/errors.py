"""The one error a user is meant to read."""


class InputError(ValueError):
    """What the user gave cannot be used; the message says what, where and the remedy.

    Doors (command line, widgets) show the message alone, without a traceback;
    every other exception is a defect of the package and keeps its traceback.
    """
