"""The microcontroller package: the model as C++ source for tflite-micro, and whether it fits.

May run the model, in tflite-micro's interpreter on this machine and in a process of its own: only
that tells the least arena. Must not know how the model was made.
"""
