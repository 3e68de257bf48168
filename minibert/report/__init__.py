"""A run folder -> report.md with pictures, and the model card. Reads files, never a live model."""

from minibert.report.write import (
    holds_several,
    results_of_several,
    write_model_card,
    write_report,
    write_report_of_several,
)

__all__ = [
    "holds_several",
    "results_of_several",
    "write_model_card",
    "write_report",
    "write_report_of_several",
]
