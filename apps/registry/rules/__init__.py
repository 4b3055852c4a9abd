"""Rules of the registry: design documents, their shapes and differences, versions, statuses. No Django here."""
