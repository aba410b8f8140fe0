"""What changes a host: one module a subsystem."""
