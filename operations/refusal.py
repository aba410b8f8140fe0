"""Saying no: to one host, or to the whole run."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import gevent
from pyinfra import logger, state
from pyinfra.api import QuoteString, StringCommand

from operations.report import cut_short


def refuse(*reasons: str, verdict: str = "") -> StringCommand:
    """A command that fails this host, with the reasons as its message.

    While a run is planned, and in a dry run, no command is carried out: there the whole run ends instead.

    Args:
        reasons: what is wrong, and what to do about it, a line each.
        verdict: what was therefore not done, as "nothing was applied".
    """
    if not state.is_executing:
        refuse_all(reasons, verdict or "nothing was changed")
    told = [*reasons, f"{verdict.capitalize()}."] if verdict else reasons
    return StringCommand("echo", QuoteString("\n".join(told)), ">&2; exit 1")


def refuse_all(reasons: Sequence[str], verdict: str) -> NoReturn:
    """End the whole run, on every host and in every phase, with its reasons on stderr and exit code 1."""
    for reason in reasons:
        logger.error(reason)
    logger.error(f"{len(reasons)} reason{'s' if len(reasons) != 1 else ''} not to go on: {verdict}.")
    if gevent.getcurrent().parent is not None:
        # In one host's greenlet an exception would end that one only, or drag a traceback of each into the message.
        cut_short()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
    raise SystemExit(1)
