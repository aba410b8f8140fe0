"""What a host reaches: containers elsewhere, and services."""

from collections.abc import Iterable

from pyinfra.api import FactBase

from facts.shell import words


class Reachable(FactBase[dict]):
    """
    Which addresses answer a ping sent from this host's docker0, that is, from where containers are.

    + addresses: whom to ask, at once
    + seconds: how long to try

    Source: `ping`.

    .. code:: python

        {"192.168.14.1": True, "192.168.22.1": True}
    """

    default = dict

    def command(self, addresses: Iterable[str], seconds: int = 10) -> str:
        return (
            "own=$(ip -4 -o addr show docker0 2>/dev/null | sed -n 's/.*inet \\([^ /]*\\).*/\\1/p'); "
            f"for a in {' '.join(addresses)}; do ( end=$(($(date +%s) + {seconds})); "
            "until ping -q -c1 -W1 ${own:+-I} $own $a >/dev/null 2>&1; do "
            '[ $(date +%s) -lt $end ] || { echo "no $a"; exit; }; done; echo "yes $a" ) & done; wait'
        )

    def process(self, output: Iterable[str]) -> dict:
        return {address: answer == "yes" for answer, _, address in (line.partition(" ") for line in output)}


class Answers(FactBase[dict]):
    """
    Which URLs answer this host with a success.

    + urls: whom to ask, at once
    + seconds: how long to try

    Source: `curl`.

    .. code:: python

        {"http://10.1.10.102:80/": True, "http://10.1.10.103:80/": False}
    """

    default = dict

    def requires_command(self, urls: Iterable[str], seconds: int = 10) -> str:
        return "curl"

    def command(self, urls: Iterable[str], seconds: int = 10) -> str:
        return (
            f"for u in {words(urls)}; do ( end=$(($(date +%s) + {seconds})); "
            'until curl -fsS -o /dev/null --noproxy "*" --max-time 5 "$u" 2>/dev/null; do '
            '[ $(date +%s) -lt $end ] || { echo "no $u"; exit; }; sleep 0.2; done; echo "yes $u" ) & done; wait'
        )

    def process(self, output: Iterable[str]) -> dict:
        return {url: answer == "yes" for answer, _, url in (line.partition(" ") for line in output)}
