"""The crash tests run a whole installation."""

from tests.serve.conftest import installation, new_installation, pristine

__all__ = ["installation", "new_installation", "pristine"]
