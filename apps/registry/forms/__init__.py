"""What people and programs send to the registry."""
