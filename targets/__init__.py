"""Where it runs: devices, runtimes, links, and the measuring and judging of artifacts on them.

Knows no recipe, no dataset and no training; never imports `pipeline`.
"""
