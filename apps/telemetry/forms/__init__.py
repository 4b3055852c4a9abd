"""What people type into telemetry's pages."""
