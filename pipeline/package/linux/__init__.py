"""The Linux package: its builder, and what is shipped in it (run.py, install.sh, LICENSE)."""
