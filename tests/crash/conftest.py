"""The crash tests run a whole installation."""

from tests.serve.conftest import installation

__all__ = ["installation"]
