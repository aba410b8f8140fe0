"""What runs on the cluster: manifests, what differs from the server's objects, controllers, rolling updates."""
