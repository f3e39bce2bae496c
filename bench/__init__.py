"""The benchmark behind `make bench`; docs/performance.md tells what it does."""
