"""The CIS Kubernetes Benchmark on the lab's hosts: kube-bench with its checks, a run of it, what it found."""
