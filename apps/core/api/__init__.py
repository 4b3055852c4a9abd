"""What every API door shares: errors, pages of results, entity tags, limits, bodies and the OpenAPI document."""
