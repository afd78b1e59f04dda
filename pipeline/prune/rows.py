"""Rows and linear forms of a programme, gathered piece by piece."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from pipeline.graph.census import Integers
from pipeline.prune.allocation import Floats


@dataclass(frozen=True)
class Linear:
    """A constant and coefficients of columns."""

    constant: float
    columns: Integers
    factors: Floats

    def dense(self, size: int) -> Floats:
        """The coefficient of every column."""
        total = np.zeros(size)
        np.add.at(total, self.columns, self.factors)
        return total


@dataclass
class Rows:
    """Rows of a sparse matrix, gathered one by one."""

    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    columns: list[Integers] = field(default_factory=list)
    factors: list[Floats] = field(default_factory=list)

    def add(self, columns: Integers, factors: Floats, lower: float, upper: float) -> None:
        """One row: what these columns add up to, by these factors, lies in between."""
        self.columns.append(columns)
        self.factors.append(factors)
        self.lower.append(lower)
        self.upper.append(upper)

    def copy(self) -> "Rows":
        """The same rows, for a question that adds its own."""
        return Rows([*self.lower], [*self.upper], [*self.columns], [*self.factors])

    def matrix(self, width: int) -> sparse.csr_array:
        """Every row, with this many columns."""
        lengths = [len(columns) for columns in self.columns]
        starts = np.concatenate([[0], np.cumsum(np.array(lengths, np.int64))])
        columns = np.concatenate([np.zeros(0, np.int64), *self.columns])
        factors = np.concatenate([np.zeros(0), *self.factors])
        matrix = sparse.csr_array((factors, columns, starts), shape=(len(lengths), width))
        matrix.sum_duplicates()
        return matrix
