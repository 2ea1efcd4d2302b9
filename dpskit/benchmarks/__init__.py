"""Benchmarks: every method on cases whose posterior is known. The paper's tables are in `dpskit.benchmarks.paper`."""

from dpskit.benchmarks.exact import exact_benchmark, exact_cases, exact_table

__all__ = ["exact_benchmark", "exact_cases", "exact_table"]
