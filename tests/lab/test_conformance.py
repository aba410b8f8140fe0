"""A sample of Kubernetes' own conformance suite, on the cluster as it stands."""

import pytest

from lab.conformance import report, run
from tests.lab.conftest import Lab


@pytest.mark.runtimes("containerd")
def test_the_sample_of_the_suite_passes(cluster: Lab) -> None:
    sample = run.names_of(run.SAMPLE)
    specs = run.conformance(only=sample)
    assert report.failures(specs) == []
    assert {spec.name for spec in specs if spec.has_run} == set(sample), "names as the suite of this release has them"
