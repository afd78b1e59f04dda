"""The gate of a pipeline that builds models: a baseline to compare with, and files for its host.

`baseline` finds what a run delivered, `gating` measures it again beside the new model, and
`junit`, `markdown` and `sarif` write what was found for those who read such files. It judges by
targets/regression.py, and knows no recipe and no training.
"""
