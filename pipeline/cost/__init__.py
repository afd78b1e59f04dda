"""What a width or a block costs on a device: probes and the tables they fill.

May use `targets` to measure. Knows nothing of accuracy, of training, or of who asks.
"""
