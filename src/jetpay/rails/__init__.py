"""Bytes in and out of banks: formats, codes and references, without any I/O."""
