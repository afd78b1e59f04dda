"""The package for iOS and macOS: a Swift package with the model as its resource."""
