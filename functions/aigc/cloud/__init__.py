"""The only modules that import the vendor's SDKs."""

import warnings

# The zip has no package that guesses encodings: every answer that is read is UTF-8, and the import
# of one takes 6 % of a cold start. requests warns of that and works.
warnings.filterwarnings("ignore", "Unable to find acceptable character detection dependency")
