"""OpenVINO: export.py is the desk's door (torch), session.py the device's (the runtime alone)."""
