"""The building blocks of the stack, one a file."""
