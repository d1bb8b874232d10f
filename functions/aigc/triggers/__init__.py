"""What invokes the functions, parsed once at the edge."""
