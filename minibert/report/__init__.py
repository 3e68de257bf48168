"""A run folder -> report.md with pictures, and the model card. Reads files, never a live model."""

from minibert.report.write import write_model_card, write_report

__all__ = ["write_model_card", "write_report"]
