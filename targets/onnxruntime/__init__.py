"""ONNX Runtime: export.py is the desk's door (torch), session.py the device's (no torch)."""
