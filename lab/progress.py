"""What the person sees while the lab works: one line a step, with its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show that a step is under way (on a terminal, with a running clock), and afterwards how long it took."""
    began = time.monotonic()
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(title)
            yield
    else:
        say(f"  {title} …")
        yield
    say(f"  {title}: {time.monotonic() - began:.1f} s")


def say(text: str) -> None:
    """One line for the person."""
    console.print(text, markup=False, soft_wrap=True)
