"""The OpenAPI document and its page: what they say, and how they are built with the zip."""
