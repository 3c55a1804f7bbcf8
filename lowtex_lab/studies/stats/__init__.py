"""Effects with intervals: paired by seed and image, of single changes and of the full factorial."""
