"""Links move bytes to a device and run commands there. They know no model."""
