"""The cluster's settings, checked: what pyinfra's data of all hosts become before any host is touched."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from cluster import translate
from cluster.checks import Draft, run
from cluster.downloads import Archive, Download, ReleaseFile
from cluster.model import AptRepository, Arguments, Settings, YumRepository
from cluster.problems import HIDDEN, BadSettings, Problem, nearest, show
from cluster.topology import ROLES, Cluster, Host

__all__ = [
    "AptRepository",
    "Archive",
    "Arguments",
    "BadSettings",
    "Cluster",
    "Download",
    "Host",
    "Problem",
    "ReleaseFile",
    "Settings",
    "YumRepository",
    "load",
]

_OF_ONE_HOST = {"address": "address", "host_extra_args": "extra_args"}  # what a host's data call it, what Host does
_PYINFRA = ("ssh_", "_")  # beginnings of the names pyinfra itself reads
_SUDO = ("_sudo", "_sudo_user", "_sudo_password", "_su_user")  # of these, the ones written without


def load(
    hosts: Mapping[str, Mapping[str, object]], groups: Mapping[str, Sequence[str]], *, without_digests: bool = False
) -> tuple[Cluster, list[Problem]]:
    """The cluster these data describe, and what is worth a warning. A host in none of the groups is no part of it.

    `hosts` maps each host's name to all its data, the cluster's settings among them; a setting that is in no host's
    data has its default. `groups` maps each group to its hosts in order, repetitions included. `without_digests`: who
    is about to find the digests of what hosts fetch does without them.

    Raises BadSettings with everything that is wrong.
    """
    found = [*_unknown(hosts), *_differing(hosts)]
    settings, failed, bad_settings = _settings(hosts)
    members, bad_hosts = _hosts(hosts, groups)
    draft = Draft(settings, members, tuple(hosts), groups, failed, without_digests)
    found += [*bad_settings, *bad_hosts, *run(draft)]
    found.sort(key=_position)
    errors = [problem for problem in found if problem.severity == "error"]
    warnings = [problem for problem in found if problem.severity == "warning"]
    if errors:
        raise BadSettings(errors, warnings)
    return Cluster(settings=settings, hosts=tuple(h for h in members if h.groups)), warnings


def _position(problem: Problem) -> int:
    """The inventory's problems first, then the settings in their own order."""
    name = problem.setting.partition("[")[0]
    return list(Settings.model_fields).index(name) if name in Settings.model_fields else -1


def _unknown(hosts: Mapping[str, Mapping[str, object]]) -> list[Problem]:
    """Names almost those of settings; others are somebody's own. Values are not shown: one may be a password."""
    known = [*Settings.model_fields, *_OF_ONE_HOST]
    owners: dict[str, list[str]] = {}
    for host, data in hosts.items():
        for name in data:
            if name not in known and not name.startswith(_PYINFRA):
                owners.setdefault(name, []).append(host)
    problems = []
    for name, where in owners.items():
        if near := nearest(name, [*known, *_SUDO]):
            advice = f"is no setting; did you mean {show(near)}? Data of your own needs a name less like it"
            problems.append(Problem(name, HIDDEN, advice, host=None if len(where) == len(hosts) else ", ".join(where)))
    return problems


def _differing(hosts: Mapping[str, Mapping[str, object]]) -> list[Problem]:
    """Settings of the whole cluster that some hosts have a value of their own for."""
    problems = []
    for name, field in Settings.model_fields.items():
        values = {host: data.get(name, field.default) for host, data in hosts.items()}
        usual, _ = Counter(repr(_plain(value)) for value in values.values()).most_common(1)[0] if values else ("", 0)
        odd = [host for host, value in values.items() if repr(_plain(value)) != usual]
        if odd:
            advice = f"is a setting of the whole cluster, {', '.join(odd)} has its own; write it in group_data/all.py"
            problems.append(Problem(name, values[odd[0]], advice))
    return problems


def _plain(value: object) -> object:
    """A default in the form in which group_data writes it, so that the two compare equal."""
    if isinstance(value, Archive):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, (str, int, list)) else str(value)


def _settings(hosts: Mapping[str, Mapping[str, object]]) -> tuple[Settings, frozenset[str], list[Problem]]:
    """The settings, with defaults for those that cannot be read; the names of these; what is wrong with them."""
    values: dict[str, object] = {}
    for data in hosts.values():
        for name in Settings.model_fields:
            if name in data:
                values.setdefault(name, data[name])
    try:
        return Settings.model_validate(values), frozenset(), []
    except ValidationError as error:
        problems = translate.problems(error, Settings)
        failed = frozenset(str(detail["loc"][0]) for detail in error.errors())
        rest = {name: value for name, value in values.items() if name not in failed}
        return Settings.model_validate(rest), failed, problems


def _hosts(
    hosts: Mapping[str, Mapping[str, object]], groups: Mapping[str, Sequence[str]]
) -> tuple[tuple[Host, ...], list[Problem]]:
    """The hosts that can be read, masters first, and what is wrong with the others."""
    found, problems = [], []
    for name in _ordered(hosts, groups):
        own: dict[str, Any] = {field: hosts[name][key] for key, field in _OF_ONE_HOST.items() if key in hosts[name]}
        roles = frozenset(role for role in ROLES if name in groups.get(role, ()))
        if "address" not in own:
            advice = 'write the host\'s IPv4 address in inventory.py, for example "10.1.10.101"'
            problems.append(Problem("address", None, advice, host=name))
            continue
        try:
            found.append(Host.model_validate({"name": name, "groups": roles, **own}))
        except ValidationError as error:
            names = {field: key for key, field in _OF_ONE_HOST.items()}
            for problem in translate.problems(error, Host, names):
                problems.append(Problem(problem.setting, problem.value, problem.advice, host=name))
    return tuple(found), problems


def _ordered(hosts: Iterable[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    names = list(hosts)
    members = [name for role in ROLES for name in groups.get(role, ()) if name in names]
    return list(dict.fromkeys([*members, *names]))
