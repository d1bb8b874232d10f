"""The `aigc` command, and the build of the package."""
