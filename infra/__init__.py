"""The Pulumi program: what has to exist in the account."""
