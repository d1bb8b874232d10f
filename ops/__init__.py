"""What a developer runs: the `aigc` command and what builds the package."""
