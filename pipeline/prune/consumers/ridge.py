"""Ridge least squares over streamed rows, in float64."""

import torch

_FEW = 100  # times the ridge is added where there are as many unknowns as rows
_LARGEST = 1e6  # times the ridge, up to which a factorisation is tried


class Ridge:
    """min over D of |X D - R|² + ridge·|D|², for several independent groups of columns.

    `X` is streamed: only X'X and X'R are held. An intercept is one more column of ones, and is
    not penalised. The penalty is relative to the mean of X'X's diagonal, and the greater the
    fewer rows there are for each unknown: a head reads one row per example.
    """

    def __init__(self, groups: int, features: int, ridge: float, *, intercept: bool = True) -> None:
        """Nothing seen yet. Without an intercept its column stays, and its solution is 0."""
        self._intercept = intercept
        size = features + 1
        self.gram = torch.zeros(groups, size, size, dtype=torch.float64)
        self._ridge = ridge
        self._factor: torch.Tensor | None = None

    def add(self, inputs: torch.Tensor) -> None:
        """More rows, extended: (groups, rows, features + 1)."""
        self.gram += (inputs.transpose(1, 2) @ inputs).double()
        self._factor = None

    def solve(self, products: torch.Tensor) -> torch.Tensor:
        """D, its last row the intercept, for X'R (groups, features + 1, channels)."""
        if self._factor is None:
            self._factor = self._factorise()
        if not self._intercept:
            products = torch.cat([products[:, :-1], torch.zeros_like(products[:, -1:])], dim=1)
        return torch.cholesky_solve(products, self._factor)

    def _factorise(self) -> torch.Tensor:
        """The Cholesky factor; the ridge grows until there is one, for constant columns."""
        diagonal = self.gram.diagonal(dim1=1, dim2=2)
        scale = diagonal[:, :-1].mean(dim=1, keepdim=True).clamp_min(1e-30)
        rows_seen = max(1.0, float(self.gram[0, -1, -1]))
        ridge = self._ridge * (1 + _FEW * (self.gram.shape[1] - 1) / rows_seen)
        largest = ridge * _LARGEST
        while ridge <= largest:
            penalty = (ridge * scale).expand_as(diagonal).clone()
            penalty[:, -1] = 1e-9 * diagonal[:, -1] + 1e-30
            factor: torch.Tensor
            factor, fault = torch.linalg.cholesky_ex(self._system() + torch.diag_embed(penalty))
            if not fault.any():
                return factor
            ridge *= 10
        raise ArithmeticError("the calibration inputs are not finite")

    def _system(self) -> torch.Tensor:
        """X'X, its intercept cut off where there is none."""
        if self._intercept:
            return self.gram
        system = self.gram.clone()
        system[:, -1, :-1] = 0.0
        system[:, :-1, -1] = 0.0
        return system


def extended(inputs: torch.Tensor) -> torch.Tensor:
    """Rows with a one at their end, for the intercept."""
    return torch.cat([inputs, inputs.new_ones(*inputs.shape[:-1], 1)], dim=-1)
