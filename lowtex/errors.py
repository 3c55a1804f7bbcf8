"""The few errors a user meets. Each message names the file or option at fault and the way out."""


class LowtexError(Exception):
    """Base of every error the kit raises on purpose; the command line prints it without a traceback."""


class DataError(LowtexError):
    """A data file or folder is missing, damaged, or not what its layout promises."""


class OptionError(LowtexError, ValueError):
    """An option, parameter or experiment name is unknown or has a value out of range."""


class CheckpointError(LowtexError):
    """A checkpoint does not exist, is damaged, or belongs to another network."""


def require_choice(option: str, value: object, choices) -> None:
    """Raise `OptionError` unless ``value`` is one of ``choices``, naming all of them."""
    if value not in choices:
        known = ", ".join(str(choice) for choice in choices)
        raise OptionError(f"{option}={value!r} is not known; choose one of: {known}")
