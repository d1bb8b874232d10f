"""The only modules that import the vendor's SDKs."""

import warnings

# `requests` warns that it has no package to guess encodings, and works without it. All answers are
# in UTF-8, and the import of such a package would take 6 % of a cold start.
warnings.filterwarnings("ignore", "Unable to find acceptable character detection dependency")
