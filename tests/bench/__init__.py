"""Benchmarks: `make bench`. Each prints what it measured beside a named reference from the same run; none asserts."""
