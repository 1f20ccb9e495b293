"""A platform for the tests of the Python packages: the real server of this checkout with its own data directory."""

from .platform import IMAGE, Platform, eventually
from .python_image import python_program

__all__ = ["IMAGE", "Platform", "eventually", "python_program"]
