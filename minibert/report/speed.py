"""What a run cost: tokens per second, share of the device's peak, memory, and where a step's time went."""

import numpy as np

from minibert.files import human
from minibert.report.markdown import NONE, as_float, count, is_number, number, percent
from minibert.report.run_folder import RunFolder, column

PHASES = ("data", "forward", "backward", "optimizer", "rest")
"""The parts of a step, in their order."""


def speed(files: RunFolder) -> float | None:
    """Return the tokens per second: the median of the logged lines."""
    return _median(column(files.train, "tokens_per_second"))


def share_of_peak(files: RunFolder) -> float | None:
    """Return the model FLOPs utilisation, in [0, 1]: the median of the logged lines."""
    return _median(column(files.train, "mfu"))


def memory(files: RunFolder) -> str:
    """Return the peak of the memory, such as "1.3 GB"; a dash where it was not recorded."""
    peaks = column(files.train, "memory")
    peaks = peaks[np.isfinite(peaks)]
    return human(int(peaks.max())) if peaks.size else NONE


def phases(files: RunFolder) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return seconds trained, (n,), and by PHASES the seconds per step, (n,), where all are finite."""
    rows = [row for row in files.train if isinstance(row.get("phases"), dict)]
    parts = [row["phases"] for row in rows]
    values = np.stack([column(rows, "seconds"), *(column(parts, name) for name in PHASES)])
    values = values[:, np.isfinite(values).all(axis=0)]
    return values[0], dict(zip(PHASES, values[1:], strict=True))


def told(files: RunFolder) -> str:
    """Return sentences on the share of the peak and on memory; empty where neither was recorded."""
    return " ".join([*_told_share(files), *_told_memory(files)])


def _told_share(files: RunFolder) -> list[str]:
    share, peak, processes = share_of_peak(files), files.get("peak_flops"), files.get("processes")
    if share is None or not is_number(peak):
        return []
    times = f"{count(processes)} × " if is_number(processes) and processes > 1 else ""
    origin = "given with `--peak-tflops`" if files.get("peak_from") == "named" else "measured at the start"
    each = number(as_float(files.get("flops_per_token")) / 1e6, "{:,.3g} MFLOP")
    return [
        f"The median, {count(speed(files))}, is {percent(share)} of the {times}{_tflops(peak)} {origin}: "
        f"tokens per second × {each} for a token, forward and backward, over the peak (MFU; Chowdhery et al. "
        "2022, appendix B)."
    ]


def _told_memory(files: RunFolder) -> list[str]:
    peak = memory(files)
    if peak == NONE:
        return []
    where = "of the GPU's memory" if files.get("device") == "cuda" else "of memory"
    who = "the first process" if (files.get("processes") or 1) > 1 else "the process"
    return [f"At its peak {who} held {peak} {where}."]


def _tflops(peak: float) -> str:
    return f"{peak / 1e12:.2g} TFLOP/s" if peak < 1e12 else f"{peak / 1e12:,.3g} TFLOP/s"


def _median(values: np.ndarray) -> float | None:
    """Return the median of what is finite, None where nothing is."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else None
