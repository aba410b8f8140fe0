"""etcd members that left the group: taken out once nobody is told of them any more, and their data set aside."""

from operations import members, preflight

if preflight.has_role():
    preflight.begin()
    members.take_out(name="etcd's former members")
    members.set_aside(name="What is left of them")
