"""Pages of people and organizations: outside an organization (personal), and its settings."""
