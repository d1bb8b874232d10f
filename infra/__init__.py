"""The Pulumi program: it declares the resources of a stack."""
