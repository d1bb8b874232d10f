"""An emulator of the parts of Tencent Cloud that this project uses, on loopback."""
