"""What operations want to know of a host: asked in one command, and anew only once a run has changed something."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra import host, state
from pyinfra.context import ctx_host

from cluster.desired import Role
from cluster.roles.of_host import all_roles
from facts.base import Fact
from facts.bundle import Several, Unread
from facts.role import RoleState, asked
from operations import preflight
from operations.certificates import issued
from operations.inventory import the_cluster, this_host
from operations.survey import of_operation

Question = tuple[type[Fact[Any]], dict[str, Any]]

_ROLES = "roles"
_MOST = 90_000  # characters of one command; the kernel takes 131,072


@dataclass(frozen=True, eq=False)
class Reading:
    """What a host was asked, and what it answered.

    + executing: in which phase of the run; a person may think for long between the two
    + rights: pyinfra's arguments of the operation that asked
    + questions, answers: by names
    """

    executing: bool
    rights: Mapping[str, Any]
    questions: Mapping[str, Question]
    answers: Mapping[str, Any]


_coming: WeakKeyDictionary[Any, list[Question]] = WeakKeyDictionary()
_readings: WeakKeyDictionary[Any, Reading] = WeakKeyDictionary()
_used: WeakKeyDictionary[Reading, list[Question]] = WeakKeyDictionary()


def held(role: Role) -> dict[str, Any]:
    """What the host at hand holds of a role, and perhaps of others too: an answer of `facts.role.RoleState`."""
    family = preflight.distribution().family.name
    wanted = asked([role], family)
    if not _changed():
        reading = _current(ctx_host.get())
        if not reading or _ROLES not in reading.questions:
            reading = _read({_ROLES: (RoleState, asked(roles_here(), family))})
        found: dict[str, Any] = reading.answers[_ROLES]
        if not isinstance(found, Unread) and _covers(reading.questions[_ROLES][1], wanted):
            return found
    answer: dict[str, Any] = ask(RoleState, **wanted)
    return answer


def answering(ready: Mapping[str, str]) -> bool:
    """Whether services of the host at hand have answered when its roles were read, and nothing was changed since.

    Args:
        ready: by unit, the shell condition that asks the service.
    """
    reading = None if _changed() else _current(ctx_host.get())
    if not reading or _ROLES not in reading.questions or isinstance(reading.answers[_ROLES], Unread):
        return False
    there = reading.questions[_ROLES][1]["ready"], reading.answers[_ROLES]["ready"]
    return ready.items() <= there[0].items() and all(there[1].get(name) for name in ready)


def expect(role: Role) -> None:
    """Have what the host at hand holds of a role that is not among all of the host's read with those, `early`."""
    early(RoleState, **asked([role], preflight.distribution().family.name))


def early(fact: type[Fact[Any]], **arguments: Any) -> None:
    """Have what an operation of the host at hand is going to `ask` answered when its roles are read.

    To be called while the deploy is read. Nothing that waits, and nothing secret.
    """
    _coming.setdefault(ctx_host.get(), []).append((fact, arguments))


def ask(fact: type[Fact[Any]], **arguments: Any) -> Any:
    """A fact of the host at hand: as it was answered `early`, unless this run has changed something since.

    Whoever asks again wants another answer.
    """
    this = ctx_host.get()
    if not _changed() and not _current(this) and (fact, arguments) in _coming.get(this, []):
        _read({})
    answer = told(this, fact, **arguments)
    if isinstance(answer, Unread):
        return host.get_fact(fact, **arguments)
    _used.setdefault(_readings[this], []).append((fact, arguments))
    return answer


def told(there: Any, fact: type[Fact[Any]], **arguments: Any) -> Any:
    """What a host has answered early, as long as this run has changed nothing since; `Unread` where it was not asked.

    Args:
        there: any of pyinfra's hosts.
        fact: a fact.
        arguments: the fact's own.
    """
    reading = None if _changed() else _current(there)
    if reading and reading.rights == of_operation() and (fact, arguments) not in _used.get(reading, []):
        for name, question in reading.questions.items():
            if question == (fact, arguments):
                return reading.answers[name]
    return Unread("not asked early")


def forget() -> None:
    """Ask every host anew when it is asked next: a service has answered that did not before."""
    _readings.clear()


def _current(there: Any) -> Reading | None:
    reading = _readings.get(there)
    return reading if reading and reading.executing == state.is_executing else None


def _read(questions: dict[str, Question]) -> Reading:
    """Ask the host at hand, and what operations are going to ask of it, too, as far as that is one command."""
    early = {f"early {number}": question for number, question in enumerate(_coming.get(ctx_host.get(), ()))}
    every = questions | early
    if len(Several().command(every)) > _MOST:
        every = questions
    answers = host.get_fact(Several, questions=every)
    reading = Reading(state.is_executing, of_operation(), every, answers)
    _readings[ctx_host.get()] = reading
    return reading


def _changed() -> bool:
    """Whether this run has changed something yet, on any host, by an operation of whomever."""
    return state.is_executing and any(op.operation_meta.executed for ops in state.ops.values() for op in ops.values())


def roles_here() -> list[Role]:
    """Every role of the host at hand."""
    this = this_host(host.name)
    return all_roles(the_cluster(), this, preflight.this_machine(), issued(), preflight.etcd_part())


def _covers(everything: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether whoever asks for everything learns what is wanted."""
    for name, value in wanted.items():
        known = everything[name]
        if isinstance(value, Mapping):
            if not value.items() <= known.items():
                return False
        elif isinstance(value, list):
            if not set(value) <= set(known):
                return False
        elif value != known:
            return False
    return True
