"""What happens between an app's values and the model's tensors, as data.

Holds the operations that a task declares, their rules and their reference, in numpy. May compute on
arrays; must not know a device, a runtime, a recipe or torch. Packages carry the same operations.
"""
