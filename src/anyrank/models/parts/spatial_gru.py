"""`SpatialGRU`: a GRU that reads a matrix from first to last cell (Wan et al., IJCAI 2016, arXiv 1604.04378)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpatialGRU(nn.Module):  # type: ignore[misc,unused-ignore]
    """The state [pairs, units] of the last cell of each matrix [pairs, n, m, channels].

    A cell's state h_ij comes of its input s and the states to its left, above and on the diagonal, h = (l, a, d):

        r = sigmoid(W_r (h, s))      c = tanh(W s + U (r * h))      z = softmax over four of W_z (h, s)
        h_ij = z_l l + z_a a + z_d d + z_c c

    Cells of an anti-diagonal don't depend on each other, so that n + m - 1 steps read the matrix.
    """

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.reset = nn.Linear(3 * units + channels, 3 * units)
        self.gate = nn.Linear(3 * units + channels, 4 * units)
        self.input = nn.Linear(channels, units)
        self.state = nn.Linear(3 * units, units, bias=False)

    def forward(self, matrix: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """``rows`` and ``columns`` [pairs] are each matrix's own numbers, of which the cell there is the last. A pair
        without any has a state of zeros."""
        pairs, n, m, _ = matrix.shape
        index = torch.arange(n, device=matrix.device)
        zero = matrix.new_zeros(pairs, n, self.units)
        before, last = zero, zero  # the states of the diagonals k - 2 and k - 1, by row
        wanted = rows + columns - 2  # the diagonal of the last cell
        out = matrix.new_zeros(pairs, self.units)
        for k in range(n + m - 1):
            column = k - index
            inside = ((column >= 0) & (column < m))[:, None]
            cells = matrix[:, index, column.clamp(0, m - 1)]  # [pairs, n, channels]
            above, diagonal = (functional.pad(x, (0, 0, 1, 0))[:, :-1] for x in (last, before))
            now = self.step(cells, torch.cat([last, above, diagonal], -1)) * inside
            here = now[torch.arange(pairs, device=matrix.device), (rows - 1).clamp(min=0)]
            out = torch.where((wanted == k)[:, None], here, out)
            before, last = last, now
        return out * ((rows > 0) & (columns > 0))[:, None]

    def step(self, cells: Tensor, states: Tensor) -> Tensor:
        """The states [..., units] of cells by their inputs and the three states before them [..., 3 * units]."""
        read = torch.cat([states, cells], -1)
        fresh = torch.tanh(self.input(cells) + self.state(torch.sigmoid(self.reset(read)) * states))
        shares = self.gate(read).reshape(*cells.shape[:-1], 4, self.units).softmax(-2)
        parts = torch.cat([states, fresh], -1).reshape(*cells.shape[:-1], 4, self.units)
        mixed: Tensor = (shares * parts).sum(-2)
        return mixed
