"""Settings, addresses and the ways in: everything that is about the installation and not about its domain."""
