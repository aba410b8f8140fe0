"""The audit: what the hosts are, against what the inventory and the settings say. It reads, and changes nothing."""
