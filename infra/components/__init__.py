"""The building blocks of the stack, one for each file."""
