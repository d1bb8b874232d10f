"""The only modules that import the vendor's SDKs."""
