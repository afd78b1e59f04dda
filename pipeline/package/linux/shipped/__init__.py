"""What a Linux package runs: its own files as the manifest states them, and the model.

Shipped as it is, in a folder named for the model, beside the arithmetic of pipeline.processing,
from which alone of edgesmith it imports. It needs numpy and the model's runtime, nothing else.
`package`, `runtimes` and `program` are written for Python 3.9, the rest for 3.10.
"""
