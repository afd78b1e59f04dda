"""The version of what desk and agent say to each other; raised whenever either side changes it."""

VERSION = 4
EXPECTED = "agent"
"""The key of the version in every request and answer."""
