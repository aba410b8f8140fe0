"""Kubernetes' own conformance suite against the lab's cluster: its programs, its images, a run of it, what it found."""
