"""The Linux package: a .tar.gz and a .deb, and what is shipped in them besides the model."""
