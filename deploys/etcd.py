"""etcd members: etcd, its users, and flannel's network configuration; then hosts that came into the group join."""

from pyinfra import host, state

from operations import etcd, members, preflight

if "etcd" in host.groups:
    preflight.begin(etcd=True)
    etcd.member(name="etcd", _parallel=len(state.inventory))  # in one batch: members wait for each other
    etcd.together(name="etcd as a whole")
if preflight.has_role():  # what follows on other hosts waits for members that join
    preflight.begin()
    members.join(name="etcd's new members", _parallel=len(state.inventory))
