"""The text that the practice model is trained on: requests, the calls that serve them, their results, and answers."""
