"""Colors by their role, light and dark: distinct to color-blind eyes, each pair of equal rank on its background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Palette:
    """Hexadecimal colors by role; within a palette no two are equal."""

    paper: str
    ink: str
    soft: str
    grid: str
    first: str
    second: str
    third: str
    fourth: str
    fifth: str
    sixth: str
    seventh: str
    best: str
    plain: str
    alarm: str

    @property
    def learners(self) -> tuple[str, str, str, str]:
        """Colors of the learners, in the order of their appearance."""
        return self.first, self.second, self.third, self.fourth

    @property
    def methods(self) -> tuple[str, ...]:
        """Colors of methods, in the order of their appearance; eight, which even color-blind eyes tell apart."""
        return self.first, self.second, self.best, self.third, self.fourth, self.fifth, self.sixth, self.seventh

    def roles(self) -> dict[str, str]:
        """Color by the name of its role."""
        return {name: getattr(self, name) for name in self.__slots__}


LIGHT: Final = Palette(
    paper="#ffffff",
    ink="#1d2433",
    soft="#5d6778",
    grid="#e3e7ed",
    first="#0072b2",
    second="#d55e00",
    third="#a8558a",
    fourth="#a0914d",
    fifth="#bc70eb",
    sixth="#701d22",
    seventh="#043199",
    best="#00875f",
    plain="#7b8494",
    alarm="#c1121f",
)

DARK: Final = Palette(
    paper="#161b24",
    ink="#e8ecf3",
    soft="#a3adbd",
    grid="#2b3341",
    first="#5cb8f5",
    second="#ff9350",
    third="#e29bc6",
    fourth="#e6df47",
    fifth="#c243b8",
    sixth="#9bff88",
    seventh="#6277f9",
    best="#41c9a0",
    plain="#8f99a9",
    alarm="#ff6b6b",
)
