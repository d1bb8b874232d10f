"""Images generated on Tencent Cloud: the package behind the three handlers."""
