"""What turns audio into text: here, in the cloud, or from a list."""
