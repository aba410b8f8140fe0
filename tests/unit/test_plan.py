"""What a run changes on a host: `cluster.plan` against made-up states."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster.desired import Cause, File, Grants, Package, Program, Role, Step, Unit, recorder, software
from cluster.plan import plan
from tests.unit.example import BARE, on_disk

SOURCE = File("/etc/repository", "x")
CONFIG = File("/etc/x/x.conf", "a = 1\n")
UNIT = Unit("x", inputs=("/etc/x/x.conf", "/run/lease"), ready="true", hint="none", program="/usr/local/bin/x")
ROLE = Role(
    name="x",
    sources=(SOURCE,),
    packages=(Package("x-server"),),
    programs=(Program("/usr/local/bin/x", "http://mirror/x", "ab" * 32),),
    files=(CONFIG,),
    gone=("/etc/systemd/system/x.service.d/x.conf",),
    steps=(Step("before", "true", "true"), Step("after", "true", "true", when="after")),
    grants=(Grants("let them", "true", ("user x", "user y"), "true"),),
    units=(UNIT,),
)


def converged() -> dict[str, Any]:
    """A host that holds all of ROLE."""
    return {
        "packages": {"x-server": "1.0"},
        "holders": {},
        "programs": {"/usr/local/bin/x": "ab" * 32},
        "files": {
            **on_disk(SOURCE, CONFIG),
            "/run/lease": {"mode": "644", "owner": "root:root", "sha256": "cd" * 32, "ours": True},
        },
        "units": {
            "x": {
                "active": "active",
                "enabled": "enabled",
                "needs_reload": False,
                "replaced": False,
                "started_with": {"/etc/x/x.conf": CONFIG.digest, "/run/lease": "cd" * 32},
            }
        },
        "steps": {"before": True, "after": True},
        "grants": {"let them": ["user x", "user y"]},
        "ready": {"x": True},
    }


def test_nothing_on_a_converged_host() -> None:
    assert plan(ROLE, converged()).lines() == []


def test_everything_on_a_bare_host() -> None:
    assert plan(ROLE, BARE).lines() == [
        "write /etc/repository",
        "install x-server",
        "install /usr/local/bin/x",
        "write /etc/x/x.conf",
        "before",
        "enable x",
        "start x (it is not there)",
        "let them",
        "after",
    ]


@pytest.mark.parametrize(
    ("where", "value", "lines"),
    [
        (("files", "/etc/x/x.conf", "mode"), "666", ["write /etc/x/x.conf"]),
        (("files", "/etc/x/x.conf", "owner"), "x:x", ["write /etc/x/x.conf"]),
        # Edited by hand while the process runs with what is configured: written back, nothing restarted.
        (("files", "/etc/x/x.conf", "sha256"), "00" * 32, ["write /etc/x/x.conf"]),
        (("units", "x", "started_with"), None, ["restart x (it was started without its present unit)"]),
        (
            ("units", "x", "started_with", "/etc/x/x.conf"),
            "00" * 32,
            ["restart x (/etc/x/x.conf changed)"],
        ),
        # What no role writes counts as it is on disk.
        (("files", "/run/lease", "sha256"), "ef" * 32, ["restart x (/run/lease changed)"]),
        (("units", "x", "replaced"), True, ["restart x (/usr/local/bin/x was replaced)"]),
        (("units", "x", "active"), "failed", ["start x (it is failed)"]),
        (("units", "x", "enabled"), "disabled", ["enable x"]),
        (("units", "x", "needs_reload"), True, ["reload systemd"]),
        (("ready", "x"), False, []),  # waited for, which is no change
        (("steps", "before"), False, ["before"]),
        (("grants", "let them"), ["user x"], ["let them: grant user y"]),
        (("grants", "let them"), ["user z", "user x", "user y"], ["let them: take away user z"]),
        (("grants", "let them"), [], ["let them: grant user x", "let them: grant user y"]),
        (("grants", "let them"), None, ["let them"]),  # it could not be asked
        (("packages", "x-server"), None, ["install x-server"]),
        (
            ("programs", "/usr/local/bin/x"),
            "00" * 32,
            ["install /usr/local/bin/x", "restart x (/usr/local/bin/x was replaced)"],
        ),
    ],
)
def test_one_difference(where: tuple[str, ...], value: object, lines: list[str]) -> None:
    found = converged()
    *path, last = where
    place = found
    for key in path:
        place = place[key]
    place[last] = value
    assert plan(ROLE, found).lines() == lines


def test_a_setting_changes_its_file_and_restarts_its_service() -> None:
    changed = Role(name="x", files=(File("/etc/x/x.conf", "a = 2\n"),), units=(UNIT,))
    assert plan(changed, converged()).lines() == ["write /etc/x/x.conf", "restart x (/etc/x/x.conf changed)"]


RELOADS = replace(UNIT, inputs=("/etc/systemd/system/x.service", *UNIT.inputs), reloads=True)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"started_with": {"/etc/x/x.conf": "00" * 32}}, "reload x (/etc/x/x.conf changed)"),
        ({"replaced": True}, "reload x (/usr/local/bin/x was replaced)"),
        ({"started_with": {"/etc/systemd/system/x.service": "00" * 32}},
         "restart x (/etc/systemd/system/x.service changed)"),
        ({"started_with": None}, "restart x (it was started without its present unit)"),
        ({"active": "failed", "replaced": True}, "start x (it is failed)"),
    ],
)  # fmt: skip
def test_what_reads_again_is_told_to_unless_its_unit_is_another(change: dict[str, Any], line: str) -> None:
    found = converged()
    unit = {"mode": "644", "owner": "root:root", "sha256": "12" * 32, "ours": True}
    found["files"]["/etc/systemd/system/x.service"] = unit
    started = {**found["units"]["x"]["started_with"], "/etc/systemd/system/x.service": "12" * 32}
    changed = {**change, "started_with": change.get("started_with", {}) and {**started, **change["started_with"]}}
    found["units"]["x"] |= {"started_with": started, **({**changed} if "started_with" in change else change)}
    assert plan(replace(ROLE, units=(RELOADS,)), found).lines() == [line]


def test_a_cause_restarts_also_what_reads_again() -> None:
    unit, found = replace(RELOADS, causes=(Cause("its way is gone", "false"),)), converged()
    found["units"]["x"]["started_with"]["/etc/systemd/system/x.service"] = ""
    found["steps"]["x: its way is gone"] = True
    assert plan(replace(ROLE, units=(unit,)), found).lines() == ["restart x (its way is gone)"]


def test_a_certificate_about_to_be_issued_announces_the_restart() -> None:
    waiting = Role(name="x", expects=(File("/etc/x/x.conf", None),), units=(UNIT,))
    assert plan(waiting, converged()).lines() == ["restart x (/etc/x/x.conf changed)"]


def test_services_that_restart_with_another_are_said() -> None:
    """Not those of the same role, which have their own line if they restart; nor with a start: none of them ran."""
    found = converged()
    found["units"]["x"] |= {"takes_along": ["x", "theirs"], "replaced": True}
    assert plan(ROLE, found).lines() == [
        "restart x (/usr/local/bin/x was replaced)", "restart theirs (it requires x)",
    ]  # fmt: skip
    found["units"]["x"]["active"] = "failed"
    assert plan(ROLE, found).lines() == ["start x (it is failed)"]


def test_a_cause_restarts_what_runs_on_the_right_files() -> None:
    """With what the restart ends; a start ends nothing."""
    unit = replace(UNIT, causes=(Cause("its way is gone", "false"),), ends="every pod")
    role = Role(name="x", units=(unit,))
    found = converged()
    assert plan(role, found).lines() == []
    found["steps"]["x: its way is gone"] = True
    assert plan(role, found).lines() == ["restart x (its way is gone; ends every pod)"]
    found["units"]["x"]["active"] = "inactive"
    assert plan(role, found).lines() == ["start x (it is inactive)"]


@pytest.mark.parametrize(
    ("state", "lines"),
    [
        ({}, ["restart x (/run/lease changed)", "restart theirs (it requires x)"]),
        ({"active": "inactive"}, []),
        ({"enabled": "disabled"}, ["restart x (/run/lease changed)", "restart theirs (it requires x)"]),
        ({"started_with": None}, []),  # by another than us: its own role sees to that
        ({"started_with": {"/run/lease": "cd" * 32}}, []),
    ],
)
def test_a_follower_is_restarted_and_nothing_else(state: dict[str, Any], lines: list[str]) -> None:
    role = Role(name="y", followers=(Unit("x", inputs=("/run/lease",), ready="true", hint="none"),))
    found = converged()
    found["units"]["x"] |= {"started_with": {"/run/lease": "ef" * 32}, "takes_along": ["theirs"]} | state
    found["ready"] = {}
    assert plan(role, found).lines() == lines


def test_a_unit_is_loaded_anew_though_it_is_waited_for() -> None:
    found = converged()
    found["units"]["x"]["needs_reload"] = True
    found["ready"]["x"] = False
    assert plan(ROLE, found).lines() == ["reload systemd"]


def test_a_step_follows_the_file_it_depends_on() -> None:
    role = Role(name="x", files=(File("/etc/s", "1\n"),), steps=(Step("apply", "true", "true", follows=("/etc/s",)),))
    found = {**converged(), "steps": {"apply": True}}
    assert plan(role, found).lines() == ["write /etc/s", "apply"]


def test_another_package_version_only_when_one_is_set() -> None:
    found = converged()
    assert plan(Role(name="x", packages=(Package("x-server", "2.0"),)), found).lines() == ["install x-server 2.0"]
    assert plan(Role(name="x", packages=(Package("x-server", "1.0"),)), found).lines() == []


@pytest.mark.parametrize(
    ("holders", "restarts"),
    [({"/usr/bin/x": "x-server"}, False), ({"/usr/bin/x": "x-client"}, True), ({}, True)],
    ids=["another package's", "that package's", "nobody's"],
)
def test_only_the_package_that_holds_the_program_restarts_it(holders: dict[str, str], restarts: bool) -> None:
    unit = Unit("x", inputs=(), ready="true", hint="none", program="/usr/bin/x")
    role = Role(name="x", packages=(Package("x-server"), Package("x-client")), units=(unit,))
    found = converged() | {"holders": holders}
    restart = ["restart x (/usr/bin/x was replaced)"] if restarts else []
    assert plan(role, found).lines() == ["install x-client", *restart]


def test_packages_that_go_are_said() -> None:
    changes = replace(plan(ROLE, BARE), removes=("chrony",))
    assert changes.lines()[1:3] == ["remove chrony (in the way of x-server)", "install x-server"]


def test_software_is_all_roles_packages_once() -> None:
    both = software([ROLE, Role(name="y", packages=(Package("x-server"), Package("y")))])
    assert [p.name for p in both.packages] == ["x-server", "y"]
    assert both.files == () and both.units == ()


def test_recorder_escapes_for_systemd() -> None:
    line = recorder("x", ["/etc/a", "/etc/b"])
    assert line.startswith("ExecStartPre=/bin/sh -c '") and line.endswith("'")
    assert '"$${INVOCATION_ID:-$$(systemctl show' in line and "/run/container-cloud/x.inputs" in line


@pytest.mark.parametrize("own", ["4f2c", ""], ids=["systemd 232 or later", "systemd 219"])
def test_recorder_names_the_start(own: str, tmp_path: Path) -> None:
    """By systemd's own id, or, where there is none, by when the unit left its rest."""
    (tmp_path / "a").write_text("1\n")
    line = recorder("x", [str(tmp_path / "a")]).replace("/run/container-cloud", str(tmp_path / "run"))
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho InactiveExitTimestampMonotonic=812\n")
    (tmp_path / "systemctl").chmod(0o755)
    script = line.removeprefix("ExecStartPre=/bin/sh -c '").removesuffix("'").replace("$$", "$")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "INVOCATION_ID": own}
    subprocess.run(["/bin/sh", "-c", script], env=env, check=True)
    first, rest = (tmp_path / "run/x.inputs").read_text().splitlines()
    assert first == (own or "812")
    assert rest == f"{hashlib.sha256(b'1' + bytes([10])).hexdigest()}  {tmp_path}/a"


def test_a_file_of_the_other_kind_of_installation_goes() -> None:
    found = converged()
    found["files"] |= on_disk(File(ROLE.gone[0], "ours"))
    changes = plan(ROLE, found)
    assert changes.lines() == [f"remove {ROLE.gone[0]}", "reload systemd"]
    assert changes.gone == ROLE.gone and changes.aside == ()


FOREIGN = {"mode": "644", "owner": "root:root", "sha256": "00" * 32, "ours": False}


def test_somebody_elses_unit_is_kept_aside() -> None:
    """Whether it goes or ours takes its place; and a repository's file, but no other: packages bring those."""
    unit = File("/etc/systemd/system/x.service", "[Service]")
    found = converged()
    found["files"] |= {ROLE.gone[0]: FOREIGN, SOURCE.path: FOREIGN, CONFIG.path: FOREIGN}
    kept = "/var/lib/container-cloud/set-aside"
    changes = plan(ROLE, found)
    assert changes.lines() == [
        f"set aside {ROLE.gone[0]} (-> {kept}{ROLE.gone[0]})",
        f"set aside {SOURCE.path} (-> {kept}{SOURCE.path})",
        f"write {SOURCE.path}",
        f"write {CONFIG.path}",
        "reload systemd",
    ]
    assert changes.gone == ROLE.gone
    found = converged() | {"files": {unit.path: FOREIGN}}
    assert plan(Role(name="x", files=(unit,)), found).lines() == [
        f"set aside {unit.path} (-> {kept}{unit.path})", f"write {unit.path}", "reload systemd",
    ]  # fmt: skip


def test_a_repository_that_is_no_longer_in_the_settings_goes() -> None:
    """Ours alone: what others wrote beside it is theirs."""
    role = Role(name="x", sources=(File("/etc/yum.repos.d/a.repo", "a"),), owns=("/etc/yum.repos.d/*.repo",))
    former = File("/etc/yum.repos.d/former.repo", "former")
    found = converged() | {"files": on_disk(*role.sources, former) | {"/etc/yum.repos.d/theirs.repo": FOREIGN}}
    assert plan(role, found).lines() == [f"remove {former.path}"]


@pytest.mark.parametrize(
    ("wanted", "there", "due"),
    [
        ("1.20.2", "1.20.2-1.el7", False),
        ("1.20.2-1.el7", "1.20.2-1.el7", False),
        ("1.20.2", "1.20.20-1", True),
        ("1.20.2-2", "1.20.2-1", True),
        (None, "0.1-1", False),
        ("3.4.23+dfsg-4", "3.4.23+dfsg-4", False),
        ("2:18.09.0", "2:18.09.0-316", False),
        ("1.20.2", "", True),
        ("1.20.2", "1:1.20.2-1", False),
        ("1.20.2-1", "1:1.20.2-1", False),
        ("1:1.20.2", "1:1.20.2-1", False),
        ("2:1.20.2", "1:1.20.2-1", True),
        ("1.20.2", "1:1.20.3-1", True),
    ],
)
def test_versions_are_those_that_are_pinned(wanted: str | None, there: str, due: bool) -> None:
    role = Role(name="x", packages=(Package("x", wanted),))
    found = converged() | {"packages": {"x": there}}
    assert bool(plan(role, found).packages) is due


def test_contents_do_not_show() -> None:
    assert "secret" not in repr(File("/k", "secret"))
