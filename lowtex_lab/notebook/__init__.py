"""What a notebook calls, and the batch that runs the notebooks headless."""
