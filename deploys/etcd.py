"""etcd members: etcd, its users, and flannel's network configuration."""

from pyinfra import host

from operations import etcd, preflight

if "etcd" in host.groups:
    preflight.begin(etcd=True)
    etcd.member(name="etcd")
