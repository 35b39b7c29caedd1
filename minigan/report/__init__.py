"""The page of a run: one file of HTML that shows what its folder holds, and pages that compare several runs."""

from minigan.report.writing import write_comparison, write_report

__all__ = ["write_comparison", "write_report"]
