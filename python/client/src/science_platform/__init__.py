"""Client for the batch jobs of a science platform."""
