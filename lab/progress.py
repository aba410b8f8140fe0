"""What the person sees while the lab works: one line a step, with its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(stderr=True, highlight=False)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show that a step is under way (on a terminal, with a running clock), and afterwards how long it took."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(f"{title} …"):
            yield
    else:
        console.print(f"  {title} …", markup=False)
        yield
    console.print(f"  {title}: {time.monotonic() - began:.1f} s", markup=False)


def say(text: str) -> None:
    """One line for the person, beside any running step."""
    console.print(text, markup=False, soft_wrap=True)
