"""The door through which packages from elsewhere come in: zip, tar.gz and .deb.

Holds the rules of what an archive may contain, and readers that take one file after another out of
it into a private folder. Every byte is taken for hostile: nothing is written outside that folder,
no link or device is ever made, and memory and disk are bounded whatever the archive declares. Knows
names, sizes and digests; must not know what a manifest says, and runs nothing.
"""

from pipeline.package.opening.door import Member, Opened, opened

__all__ = ["Member", "Opened", "opened"]
