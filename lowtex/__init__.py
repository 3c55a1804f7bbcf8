"""lowtex: self-supervised monocular depth learning in low-texture areas, as a reproduction kit."""

__version__ = "0.1.0"
