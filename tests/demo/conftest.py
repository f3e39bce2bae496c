"""The demo's tests keep its data directory, to look into it."""

from tests.cli.conftest import data_dir

__all__ = ["data_dir"]
