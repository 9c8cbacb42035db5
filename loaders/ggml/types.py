"""The block formats that are known, under the numbers GGUF files give them."""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Kind(NamedTuple):
    """One format: ``block_size`` weights lie in ``type_size`` bytes. ``number`` is its id in GGUF files."""

    name: str
    number: int
    block_size: int
    type_size: int


# The gguf package's GGMLQuantizationType is an int: its members find their entry here as well.
TYPES: MappingProxyType[int, Kind] = MappingProxyType(
    {
        kind.number: kind
        for kind in (
            Kind("F32", 0, 1, 4),
            Kind("F16", 1, 1, 2),
            Kind("Q4_0", 2, 32, 18),
            Kind("Q4_1", 3, 32, 20),
            Kind("Q5_0", 6, 32, 22),
            Kind("Q5_1", 7, 32, 24),
            Kind("Q8_0", 8, 32, 34),
            Kind("Q2_K", 10, 256, 84),
            Kind("Q3_K", 11, 256, 110),
            Kind("Q4_K", 12, 256, 144),
            Kind("Q5_K", 13, 256, 176),
            Kind("Q6_K", 14, 256, 210),
            Kind("IQ4_NL", 20, 32, 18),
            Kind("IQ4_XS", 23, 256, 136),
            Kind("BF16", 30, 1, 2),
        )
    }
)
NAMES: MappingProxyType[str, Kind] = MappingProxyType({kind.name: kind for kind in TYPES.values()})


def find(kind: Kind | int | str) -> Kind | None:
    """The format with this number (or gguf type) or name; None when it is not known here."""
    if isinstance(kind, Kind):
        return kind
    return NAMES.get(kind) if isinstance(kind, str) else TYPES.get(kind)


def supported(kind: Kind | int | str) -> bool:
    """Whether ``dequantize`` knows this format."""
    return find(kind) is not None
