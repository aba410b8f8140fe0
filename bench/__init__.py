"""What a run costs, measured on the lab."""
