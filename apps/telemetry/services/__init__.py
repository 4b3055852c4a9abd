"""Writes of telemetry: one module per aggregate."""
