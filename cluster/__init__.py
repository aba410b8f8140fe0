"""What the cluster shall be: settings, hosts, releases. Pure Python that knows nothing of pyinfra."""
