"""The package of the three functions, which generate images on Tencent Cloud."""
