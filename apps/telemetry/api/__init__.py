"""Telemetry over HTTP: metrics, tasks, traces. The shapes are fixed: other programs rely on them."""
