"""What an app is handed: an artifact with all that is needed to check, run and judge it.

Holds the builders of packages and the programs that are shipped in them. May read the artifact's
files and write one archive. Must not know how the artifact was made, and never runs a model: the
golden vectors are handed over.
"""

from pipeline.package.golden import Golden
from pipeline.package.linux.build import package_linux

__all__ = ["Golden", "package_linux"]
