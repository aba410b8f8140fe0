"""The lab: real systemd hosts on one machine, for trying and testing the cluster. `python -m lab --help`."""
