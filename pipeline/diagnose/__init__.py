"""Why a model file will be slow on a device, told before anything is measured.

Holds the analysis of what a file declares and of what its runtime makes of it: findings, each with
its cure. May load a file through a target and read it through `targets.reading`, both of which do
so in processes of their own; must not know a task, a run or how anything is measured.
"""
