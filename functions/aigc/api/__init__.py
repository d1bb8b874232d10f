"""The HTTP API: routes, keys, answers."""
