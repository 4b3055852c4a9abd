"""Decisions and arithmetic of telemetry as plain Python."""
