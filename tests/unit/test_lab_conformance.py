"""Kubernetes' conformance suite in the lab: what it is asked to run, the images it wants, what its report says."""

import json
import re

import pytest

from lab.conformance import images, report, run
from lab.conformance.report import Spec

MANIFEST = """
	configs[Agnhost] = Config{list.PromoterE2eRegistry, "agnhost", "2.66.1"}
	configs[AgnhostPrivate] = Config{list.PrivateRegistry, "agnhost", "2.6"}
	configs[Etcd] = Config{list.GcEtcdRegistry, "etcd", "3.7.0-0"}
"""


def test_images_are_called_as_the_suite_calls_them():
    assert images.names_in(MANIFEST) == {"Agnhost": "e2e-test-images/agnhost:2.66.1", "Etcd": "etcd:3.7.0-0"}


def test_a_pattern_matches_just_these_specs():
    names = list(run.names_of(run.SAMPLE))
    wanted = re.compile(run.pattern(names))
    assert all(wanted.fullmatch(name) for name in names)
    assert not wanted.search("[sig-network] DNS should provide DNS for nodes [Conformance]")
    assert r"\ " not in wanted.pattern, "no pattern of Go's"


def test_the_sample_is_of_specs_that_may_run_beside_each_other():
    names = run.names_of(run.SAMPLE)
    assert 50 <= len(names) <= 70
    assert all(report.CONFORMANCE in name and not re.search(run.SERIAL, name) for name in names)


def test_an_exception_has_its_reason(tmp_path):
    (tmp_path / "file").write_text("# no such disk\n[sig-a] one\n[sig-a] two\n\n# no such net\n[sig-b] three\n")
    assert run.names_of(tmp_path / "file") == {
        "[sig-a] one": "no such disk",
        "[sig-a] two": "no such disk",
        "[sig-b] three": "no such net",
    }
    assert all(run.names_of(run.EXCEPTIONS).values())


@pytest.fixture
def specs(tmp_path):
    def spec(text, state, **more):
        return {"ContainerHierarchyTexts": ["[sig-apps] Job"], "LeafNodeText": text, "State": state, **more}

    specs = [
        spec("should run [Conformance]", "passed", RunTime=2_500_000_000),
        spec("should end [Conformance]", "failed", RunTime=1e9, Failure={"Message": "too\n late"}),
        spec("should wait [Conformance]", "skipped"),
        spec("should dance", "failed"),
        {"LeafNodeType": "SynchronizedBeforeSuite", "State": "passed"},
    ]
    (tmp_path / "report.json").write_text(json.dumps([{"SpecReports": specs}]))
    return report.read(tmp_path / "report.json")


def test_a_report_is_read_by_area(specs):
    assert [(spec.area, spec.state, spec.seconds) for spec in specs] == [
        ("apps", "passed", 2.5),
        ("apps", "failed", 1.0),
        ("apps", "skipped", 0.0),
    ]
    assert report.by_area(specs) == [("apps", 1, 1, 1), ("all", 1, 1, 1)]


def test_a_failure_is_named_with_its_cause(specs):
    assert report.failures(specs) == ["[sig-apps] Job should end [Conformance] (1 s): too late"]


@pytest.mark.parametrize(
    ("states", "well"),
    [
        (["passed", "skipped"], True),
        (["passed", "failed"], False),
        (["timedout"], False),
        (["skipped"], False),
        ([], False),
    ],
)
def test_only_a_run_without_a_failure_is_well(states, well):
    assert run.show([Spec(f"[sig-a] {state} [Conformance]", state) for state in states]) is well
