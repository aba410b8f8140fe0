"""kube-bench in the lab: what its answer says, which of it is a fault, and where its checks look."""

import json
import re
from pathlib import Path

import pytest
import yaml

from lab.cis import report, run
from lab.cis.report import Check

SECURITY = Path(__file__).resolve().parents[2] / "docs/security.md"


@pytest.fixture
def checks():
    def check(number, status, **more):
        return {"test_number": number, "test_desc": f"Ensure {number}", "status": status, **more}

    answer = {
        "Controls": [
            {
                "node_type": "master",
                "tests": [
                    {"results": [check("1.1.1", "PASS"), check("1.1.9", "WARN", reason="no output")]},
                    {
                        "results": [
                            check("1.2.2", "FAIL", actual_value="--token-auth-file=a\n --b"),
                            check("1.2.3", "INFO"),
                        ]
                    },
                ],
            },
            {"node_type": "etcd", "tests": [{"results": [check("2.1", "PASS", actual_value="--cert-file=a")]}]},
        ],
        "Totals": {"total_pass": 2},
    }
    return report.read(json.dumps(answer))


def test_an_answer_is_read_by_target(checks):
    assert checks[1] == Check("master", "1.1.9", "Ensure 1.1.9", "manual", "no output")
    assert [check.state for check in checks] == ["passed", "manual", "failed", "skipped", "passed"]
    assert report.by_target(checks) == [("master", 1, 1, 1), ("etcd", 1, 0, 0)]


def test_what_did_not_pass_and_has_no_reason_is_a_fault(checks):
    assert report.faults(checks, {"1.1.9": "public", "1.2.3": "not here"}) == [
        "1.2.2 (master, failed) Ensure 1.2.2: --token-auth-file=a --b"
    ]
    assert [line.split()[0] for line in report.faults(checks, {})] == ["1.1.9", "1.2.2", "1.2.3"]


@pytest.mark.parametrize(
    ("state", "well"), [("passed", True), ("failed", False), ("manual", False), ("skipped", False)]
)
def test_only_a_run_without_a_fault_is_well(state, well):
    assert run.show([Check("node", "4.0.0", "Ensure nothing", state)]) is well


def test_a_check_with_a_reason_is_well():
    assert run.show([Check("node", "4.1.1", "Ensure that the unit is 600", "failed")])


def test_a_reason_belongs_to_a_check_the_document_explains():
    """The document's table of a run names just these, and each has its row."""
    reasons = report.judged(report.JUDGED.read_text())
    text = SECURITY.read_text()
    table = text.partition("| Hosts | Passed |")[2].partition("\n\n")[0]
    assert set(re.findall(r"\d+(?:\.\d+)+", table)) == set(reasons)
    rows = {number for cell in re.findall(r"^\| (\d[^|]*) \|", text, re.MULTILINE) for number in cell.split(", ")}
    assert all(reasons.values())
    assert set(reasons) <= rows


def test_checks_look_where_this_project_has_things():
    theirs = (
        "find /etc/kubernetes/pki/ -name '*.key'\nfor f in /etc/kubernetes/admin.conf /etc/kubernetes/super-admin.conf;"
    )
    assert run.with_places(theirs) == "find /etc/kubernetes/ca/ -name '*.key'\nfor f in /etc/kubernetes/kubeconfig;"


def test_every_target_has_its_places():
    config = yaml.safe_load(run.CONFIG.read_text())
    targets = [target for targets in run.TARGETS.values() for target in targets]
    assert config["target_mapping"] == {run.BENCHMARK: targets}
    for target in targets:
        assert set(config[target]) == {"components", *config[target]["components"]}
