"""The package for Android: an AAR with the model, and a Gradle module with its Kotlin API."""
