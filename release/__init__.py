"""`python -m release`: makes known, on the controlling machine, what the hosts are going to fetch."""
