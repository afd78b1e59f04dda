"""Peak resident memory of this process in phases (Linux: VmHWM, reset through clear_refs)."""

from pathlib import Path
from typing import Optional

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): resets the peak resident set size to the current one


def peak_bytes() -> Optional[int]:
    """The peak since this process began, or since the peak was reset; None where the kernel tells
    none. (ru_maxrss would begin at what the process took that started this one.)

    Raises OSError where the kernel's file can't be read.
    """
    lines = STATUS.read_text(encoding="ascii").splitlines()
    peaks = (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return next(peaks, None)


class PeakMemory:
    """Reads the peak of each phase and resets it for the next; remembers why it can't."""

    def __init__(self) -> None:
        self.reason: Optional[str] = None

    def resident_bytes(self) -> Optional[int]:
        """Resets the peak and reads it at once: what is resident now."""
        self._reset()
        return self._read()

    def phase_bytes(self) -> Optional[int]:
        """The peak since the last reset, and a reset."""
        peak = self._read()
        self._reset()
        return peak

    def _reset(self) -> None:
        if self.reason:
            return
        try:
            CLEAR_REFS.write_text(_RESET_PEAK, encoding="ascii")
        except OSError as error:
            self.reason = f"the peak can't be reset through {CLEAR_REFS}: {error.strerror}"

    def _read(self) -> Optional[int]:
        if self.reason:
            return None
        try:
            peak = peak_bytes()
        except OSError as error:
            self.reason = f"{STATUS} can't be read: {error.strerror}"
            return None
        if peak is None:
            self.reason = f"{STATUS} has no VmHWM"
        return peak
