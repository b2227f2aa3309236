"""How much energy the processor takes, where it counts that itself: RAPL, as Linux shows it.

https://docs.kernel.org/power/powercap/powercap.html: each zone has a counter of microjoules that begins again at its
range. `intel-rapl:0` and the like are whole processor packages (AMD's too); zones within them are parts of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")


@dataclass(frozen=True)
class _Package:
    counter: Path
    range_uj: int

    def read(self) -> int:
        return int(self.counter.read_text())


class EnergyMeter:
    """Counts from its making on. `why_not` says why it cannot, and is "" where it can."""

    def __init__(self, root: Path = _ROOT) -> None:
        self.why_not = ""
        self._packages: list[_Package] = []
        self._last: list[int] = []
        self._joules = 0.0
        try:
            self._packages = [
                _Package(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()))
                for zone in sorted(root.glob("sys/class/powercap/intel-rapl:*"))
                if zone.name.count(":") == 1 and (zone / "name").read_text().startswith("package")
            ]
            self._last = [package.read() for package in self._packages]
        except PermissionError:
            self._packages = []
            self.why_not = "the energy counters in /sys/class/powercap are readable by root alone"
        except (OSError, ValueError):
            self._packages = []
        if not self._packages and not self.why_not:
            self.why_not = "this machine shows no energy counters in /sys/class/powercap"

    def joules(self) -> float | None:
        """What all packages took since the meter was made; None where that is not counted.

        Look at least once a minute: a counter that began again twice is not noticed.
        """
        if not self._packages:
            return None
        try:
            now = [package.read() for package in self._packages]
        except (OSError, ValueError):
            return None
        for package, new, old in zip(self._packages, now, self._last, strict=True):
            self._joules += (new - old if new >= old else new - old + package.range_uj) / 1e6
        self._last = now
        return self._joules
