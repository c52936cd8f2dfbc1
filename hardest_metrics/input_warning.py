"""What is said of input that can be used, but may not mean what it seems to."""


class InputWarning(UserWarning):
    """Input that was taken as it is, or in part, and why somebody should look at it."""
