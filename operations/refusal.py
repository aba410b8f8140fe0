"""Saying no: to one host, or to the whole run."""

import os
import sys
from typing import NoReturn

import gevent
from pyinfra import logger
from pyinfra.api import QuoteString, StringCommand

from operations.report import cut_short


def refuse(reason: str) -> StringCommand:
    """A command that fails this host, with the reason as its message."""
    return StringCommand("echo", QuoteString(reason), ">&2; exit 1")


def refuse_all(reasons: list[str], verdict: str) -> NoReturn:
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
