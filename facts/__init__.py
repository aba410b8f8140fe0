"""What is read back from a host: one module a subsystem."""
