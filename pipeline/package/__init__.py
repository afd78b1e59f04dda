"""What an app is handed: an artifact with all that is needed to check, run and judge it.

Holds the builders of packages and the programs that are shipped in them. May read the artifact's
files and make archives. Must not know how the artifact was made, and runs no model but a
microcontroller's, whose arena nothing else tells: the golden vectors are handed over.
"""
