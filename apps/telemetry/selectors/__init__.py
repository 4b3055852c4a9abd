"""Reads of telemetry: one module per picture."""
