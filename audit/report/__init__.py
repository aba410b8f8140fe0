"""An audit's report as it is shown: to a terminal (table), to programs (machine) and as one HTML file (page)."""
