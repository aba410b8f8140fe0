"""The lab's command line, and the hosts it names."""

import pytest

from lab import network, roles, state
from lab.__main__ import main, parser
from lab.process import LabError


def test_up_begins_where_it_was_by_default():
    arguments = parser().parse_args(["up"])
    assert (arguments.fresh, arguments.nodes, arguments.flavour) == (False, None, None)


def test_run_takes_a_command_with_its_own_options():
    arguments = parser().parse_args(["run", "--", "pyinfra", "-y", "lab/inventory.py", "--limit", "node1"])
    assert arguments.command == ["pyinfra", "-y", "lab/inventory.py", "--limit", "node1"]


def test_ssh_takes_a_host_and_a_command():
    arguments = parser().parse_args(["ssh", "node1", "--", "ls", "-l"])
    assert (arguments.host, arguments.command) == ("node1", ["ls", "-l"])


@pytest.mark.parametrize("command", ["reboot", "stop", "unplug", "start", "cut", "heal"])
def test_several_hosts_at_once(command):
    assert parser().parse_args([command, "node1", "node2"]).hosts == ["node1", "node2"]
    assert parser().parse_args([command, "--all"]).all


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["reboot"],
        ["cut", "--all", "node1"],
        ["run"],
        ["fly"],
        ["up", "--nodes", "many"],
        ["up", "--flavour", "slack"],
    ],
)
def test_what_is_not_understood_ends_with_usage(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(argv)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_hosts_are_the_shipped_inventorys():
    assert [(host.name, host.address) for host in state.hosts_for(3)] == [
        ("master", "10.1.10.101"),
        ("node1", "10.1.10.102"),
        ("node2", "10.1.10.103"),
        ("node3", "10.1.10.104"),
    ]


@pytest.mark.parametrize(
    ("flavour", "flavours"), [("deb", ["deb"] * 3), ("rpm", ["rpm"] * 3), ("mixed", ["deb", "rpm", "rpm"])]
)
def test_a_flavour_says_which_family_each_host_is_of(flavour, flavours):
    assert [host.flavour for host in state.hosts_for(2, flavour)] == flavours


def test_hosts_are_deb_by_default():
    assert {host.flavour for host in state.hosts_for(2)} == {"deb"}


def test_an_unknown_flavour_is_refused():
    with pytest.raises(LabError, match="--flavour must be one of deb, rpm, mixed, not slack"):
        state.hosts_for(1, "slack")


def test_further_masters_and_hosts_without_a_role_move_no_other():
    listed = {host.name: host.address for host in state.hosts_for(2, masters=3, spares=1)}
    assert listed == {
        "master": "10.1.10.101",
        "master2": "10.1.10.191",
        "master3": "10.1.10.192",
        "node1": "10.1.10.102",
        "node2": "10.1.10.103",
        "spare1": "10.1.10.201",
    }
    every = state.hosts_for(state.MOST_NODES, masters=state.MOST_OTHERS, spares=state.MOST_OTHERS)
    assert len({host.address for host in every}) == len(every)


def test_every_hosts_namespace_is_known_as_the_labs_and_no_other(monkeypatch, tmp_path):
    every = [host.namespace for host in state.hosts_for(2, masters=3, spares=1)]
    for name in (*every, state.NAME, f"{state.NAME}2-master", f"{state.NAME}-masterly", "else"):
        (tmp_path / name).touch()
    monkeypatch.setattr(network, "NAMED", tmp_path)
    assert sorted(network.namespaces()) == sorted([*every, state.NAME])


@pytest.mark.parametrize("numbers", [{"masters": 0}, {"masters": 10}, {"spares": -1}, {"spares": 10}])
def test_an_impossible_number_of_others_is_refused(numbers):
    with pytest.raises(LabError, match=r"must be [01] to 9"):
        state.hosts_for(2, **numbers)


NAMES = ("master", "master2", "node1", "node2", "spare1")


def test_hosts_do_what_they_are_called():
    assert roles.of(NAMES, "") == {
        "masters": ["master", "master2"],
        "nodes": ["node1", "node2"],
        "etcd": ["master", "master2"],
    }


def test_hosts_do_what_is_said():
    assert roles.of(NAMES, "etcd=spare1,master masters=master nodes=node2") == {
        "masters": ["master"],
        "nodes": ["node2"],
        "etcd": ["spare1", "master"],
    }


@pytest.mark.parametrize("said", ["workers=node1", "nodes=node3"])
def test_what_nobody_can_do_is_refused(said):
    with pytest.raises(LabError, match="LAB_ROLES has"):
        roles.of(NAMES, said)


@pytest.mark.parametrize("nodes", [0, -1, 81])
def test_an_impossible_number_of_nodes_is_refused(nodes):
    with pytest.raises(LabError, match=f"not {nodes}"):
        state.hosts_for(nodes)


def test_every_host_has_an_interface_name_the_kernel_takes():
    from lab import network

    assert all(len(network.port(host)) <= 15 for host in state.hosts_for(state.MOST_NODES))


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "DIRECTORY", tmp_path)
    monkeypatch.setattr(state, "DESCRIPTION", tmp_path / "lab.json")
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize(
    "command", [["status"], ["run", "--", "true"], ["ssh", "node1"], ["reboot", "--all"], ["cut", "node1"]]
)
def test_without_a_lab_one_line_says_how_to_make_one(command, capsys):
    assert main(command) == 1
    assert capsys.readouterr().err == "lab: there is no lab on this machine: python -m lab up\n"


@pytest.mark.usefixtures("empty")
def test_an_unknown_host_is_answered_with_the_known_ones():
    state.update(nodes=2)
    with pytest.raises(LabError, match="no host 'node3' in the lab: master, node1, node2"):
        state.host("node3")


@pytest.mark.usefixtures("empty")
def test_the_description_is_kept_part_by_part():
    state.update(nodes=2)
    state.update(base="/b", mirror="m")
    state.forget("mirror")
    assert state.load() == {"nodes": 2, "base": "/b"}


@pytest.mark.usefixtures("empty")
def test_hosts_are_of_the_flavour_last_brought_up():
    state.update(nodes=1)
    assert [host.flavour for host in state.hosts()] == ["deb", "deb"]
    state.update(flavour="mixed")
    assert [host.flavour for host in state.hosts()] == ["deb", "rpm"]


@pytest.mark.usefixtures("empty")
def test_a_description_cut_short_counts_as_none():
    state.DESCRIPTION.write_text('{"nodes": ')
    assert state.load() == {}


def test_every_host_keeps_an_ethernet_address_of_its_own():
    from lab import network

    assert network.hardware_address("10.1.10.102") == "02:00:0a:01:0a:66"
