"""Looking at what the writers left on disk, without the kit's own readers."""

import hashlib

import cv2


def read(path):
    """An image as OpenCV gives it."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def tree(root):
    """Every file under a root with its content's hash."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
