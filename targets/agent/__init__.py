"""The only program sent to a device: stdlib, numpy and one runtime. It knows no torch."""
