"""What the command lines share: errors as one line that says what to do next, exit codes."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from sztb.errors import SztbError

P = ParamSpec("P")
R = TypeVar("R")

EXIT_ERROR = 1  # something failed; 2 is click's code for wrong usage


def report_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn expected errors of a command into ``error: ...`` on standard error and exit code 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (SztbError, OSError) as error:
            click.echo(f"error: {describe(error)}", err=True)
            sys.exit(EXIT_ERROR)

    return wrapped


def describe(error: BaseException) -> str:
    """Say in one line what happened, with the file where there is one."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
