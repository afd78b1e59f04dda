"""What is wanted: one folder per recipe. Imports nothing of ours, as a user's own project does."""
