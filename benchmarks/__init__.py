"""Measures the product beside its peers; `make bench` writes docs/performance.md."""
