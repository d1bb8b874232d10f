"""A stand-in for the parts of Tencent Cloud that this project uses, on loopback."""
