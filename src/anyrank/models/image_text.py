"""ImageText: a small dual encoder of images and texts, whose pictures learn the vectors that a text encoder gives their
captions (the loss of CLIP, arXiv 2103.00020; the text tower stays as it is, as in LiT, arXiv 2111.07991).

    loss = (cross-entropy over the pictures of the batch + cross-entropy over its texts) / 2,  of cosine / temperature

Two texts of a batch that are the same count as one: each is right for the other's picture. Trained with ``losses: []``;
a group is a text and its picture (label 1), and any others (0). The picture of a content counts before its text, and
the first of several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.content import images_of, text_of
from ..core.errors import ModelError
from ..core.types import Candidate
from ..io.pictures import decode
from .base import declare
from .bi import BiEncoder
from .parts.efficientnet_lite import EfficientNetLite, Shape
from .parts.model_folder import folder_of, json_of
from .parts.ragged import filled, member_mask, owners

WEIGHTS = "image.safetensors"
"""The file in a model's folder with the weights of its picture tower."""
ALIKE = 1 - 1e-4
"""The cosine from which two texts count as the same."""


class ImageText(nn.Module):  # type: ignore[misc,unused-ignore]
    """Scores [B, n] of groups of texts and pictures: cosines over ``temperature``.

    ``text`` is the encoder of texts, ``tower`` that of pictures made to fit a square of ``size`` pixels.
    ``frozen_text`` leaves the text encoder as it is, ``frozen_norms`` the statistics of a tower that comes with weights
    (right for small batches), ``frozen_blocks`` so many of its first blocks, which are the slowest to train. In
    training pictures are shifted, scaled and sometimes made grey.
    """

    kind: ClassVar[str] = "image_text"

    def __init__(
        self,
        text: BiEncoder,
        tower: EfficientNetLite,
        shape: Shape,
        size: int = 96,
        temperature: float = 0.05,
        frozen_text: bool = True,
        frozen_norms: bool = True,
        frozen_blocks: int = 0,
    ) -> None:
        super().__init__()
        self.text = text
        self.max_length = text.max_length
        self.tower = tower
        self.shape = shape
        self.size = size
        self.temperature = temperature
        self.frozen_text = frozen_text
        self.frozen_norms = frozen_norms
        self.projection = nn.Linear(shape.head, text.body.config.hidden_size)
        text.requires_grad_(not frozen_text)
        if frozen_blocks:
            for part in (tower._conv_stem, tower._bn0, *tower._blocks[:frozen_blocks]):
                part.requires_grad_(False)

    @classmethod
    def from_folder(
        cls,
        name: str | Path,
        *,
        max_length: int | None = None,
        image: str | Path = "",
        tower: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> ImageText:
        """A saved model; or the start of one from a text encoder's folder or hub id, with a tower that is fresh, of the
        shape ``tower``, or whose weights are the file ``image`` (safetensors). Raises ModelError on other weights."""
        from safetensors.torch import load_file

        folder = folder_of(name)
        config = json_of(folder / "anyrank.json")
        saved = config.get("kind") == cls.kind
        shape = Shape(**(tower or (config.get("tower") if saved else None) or {}))
        own: dict[str, Any] = {k: config[k] for k in ("size", "temperature") if saved and k in config}
        options = {**own, "frozen_norms": bool(saved or image), **options}
        text = BiEncoder.from_folder(folder, max_length=max_length, similarity="cosine")
        model = cls(text, EfficientNetLite(shape), shape, **options)
        try:
            if saved:
                weights = load_file(folder / WEIGHTS)
                model.tower.load_state_dict({k[6:]: v for k, v in weights.items() if k.startswith("tower.")})
                model.projection.load_state_dict({k[11:]: v for k, v in weights.items() if k.startswith("projection.")})
            elif image:
                model.tower.load_state_dict(load_file(image))
        except (OSError, RuntimeError) as error:
            what = folder / WEIGHTS if saved else image
            raise ModelError(f"{what}: no weights of this tower: {' '.join(str(error).split())[:300]}") from error
        return model

    @classmethod
    def from_config(
        cls,
        shape: Mapping[str, Any],
        tokenizer: str | Path | Any,
        *,
        max_length: int = 256,
        tower: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> ImageText:
        """A fresh model: a text encoder of a shape, by default a BERT, and a fresh tower."""
        form = Shape(**(tower or {}))
        text = BiEncoder.from_config(shape, tokenizer, max_length=max_length)
        return cls(text, EfficientNetLite(form), form, **{"frozen_text": False, "frozen_norms": False, **options})

    def train(self, mode: bool = True) -> ImageText:
        """Training mode, but for the parts that are frozen."""
        super().train(mode)
        if self.frozen_text:
            self.text.eval()
        if self.frozen_norms:
            for module in self.tower.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def features(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
        """The inputs of `forward` for contents of queries and, for each, its candidates."""
        return {
            "queries": self.inputs(queries, query=True),
            "members": self.inputs([c.content for group in candidates for c in group]),
            "mask": member_mask(candidates),
        }

    def inputs(self, contents: Sequence[Any], *, query: bool = False) -> dict[str, Any]:
        """Contents for `embed`: chunks of the texts, the pictures [pictures, 3, size, size], and which is which."""
        images = [next(iter(images_of(content)), None) for content in contents]
        texts = [text_of(content) for content, image in zip(contents, images) if image is None]
        return {
            "texts": self.text.inputs(texts, query=query) if texts else [],
            "pictures": self.pixels([decode(image) for image in images if image is not None]),
            "is_picture": torch.tensor([image is not None for image in images], dtype=torch.bool),
        }

    def pixels(self, pictures: Sequence[Any]) -> Tensor:
        """Pictures of Pillow in RGB, put on a white square: [pictures, 3, size, size], from -1 to 1."""
        from PIL import ImageOps

        side = (self.size, self.size)
        rows = [np.asarray(ImageOps.pad(picture, side, color="white")) for picture in pictures]
        array = np.stack(rows) if rows else np.zeros((0, *side, 3), np.uint8)
        return torch.from_numpy(array).permute(0, 3, 1, 2).float().sub(127).div(128)

    def truncated(self, queries: Sequence[Any], candidates: Sequence[Sequence[Candidate]]) -> list[int]:
        """The number of texts of each group, the query counted in, that are longer than the text encoder reads."""
        return self.text.truncated(queries, candidates)

    def forward(self, queries: Mapping[str, Any], members: Mapping[str, Any], mask: Tensor) -> Tensor:
        """Scores [B, n], 0 at padding."""
        return filled((self.embed(queries)[owners(mask)] * self.embed(members)).sum(1) / self.temperature, mask)

    def embed(self, inputs: Mapping[str, Any]) -> Tensor:
        """Vectors [contents, width] of length 1."""
        is_picture = inputs["is_picture"]
        out = self.projection.weight.new_zeros(len(is_picture), len(self.projection.bias))
        if inputs["texts"]:
            out = out.index_copy(0, (~is_picture).nonzero()[:, 0], self.text.embed(inputs["texts"]))
        if len(inputs["pictures"]):
            pixels = augment(inputs["pictures"]) if self.training else inputs["pictures"]
            out = out.index_copy(0, is_picture.nonzero()[:, 0], self.picture_vectors(pixels))
        return out

    def picture_vectors(self, pixels: Tensor) -> Tensor:
        """Vectors [pictures, width] of length 1."""
        return F.normalize(self.projection(self.tower(pixels).float()), dim=1)

    def loss(self, features: Mapping[str, Any], labels: Tensor) -> Tensor:
        """The loss of a batch; labels [batch, n], above 0 for the pictures that a text is right for."""
        mask = features["mask"]
        queries, members = self.embed(features["queries"]), self.embed(features["members"])
        scores = queries @ members.T / self.temperature  # [batch, members]
        same = queries @ queries.T > ALIKE
        positive = same[:, owners(mask)] & (labels[mask] > 0)
        rows = scores.logsumexp(1) - scores.masked_fill(~positive, -torch.inf).logsumexp(1)
        counted = positive.any(0)  # a picture that is positive for no text teaches as a negative alone
        columns = scores.logsumexp(0) - scores.masked_fill(~positive, -torch.inf).logsumexp(0)
        return (rows[positive.any(1)].mean() + columns[counted].mean()) / 2

    def texts(self, texts: Sequence[str]) -> tuple[Tensor, int, int]:
        """Vectors of texts, the tokens that were read, and the number of texts that were cut."""
        chunks = self._moved(self.text.inputs(texts))
        cut = self.text.truncated([""], [[Candidate("", text) for text in texts]])[0]
        return self.text.embed(chunks), int(sum(int(c["attention_mask"].sum()) for c in chunks)), cut

    def pictures(self, pictures: Sequence[Any]) -> Tensor:
        """Vectors of pictures in RGB, as Pillow has them."""
        return self.picture_vectors(self.pixels(pictures).to(self.projection.weight.device))

    def _moved(self, chunks: Sequence[Mapping[str, Tensor]]) -> list[dict[str, Tensor]]:
        return [{k: v.to(self.projection.weight.device) for k, v in chunk.items()} for chunk in chunks]

    def save(self, folder: Path) -> None:
        """The text encoder as sentence-transformers reads it, the tower's weights beside it, and anyrank.json."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        self.text.save(folder)
        parts = {"tower": self.tower, "projection": self.projection}
        weights = {f"{name}.{k}": v.detach().cpu() for name, m in parts.items() for k, v in m.state_dict().items()}
        save_file({k: v.contiguous() for k, v in weights.items()}, folder / WEIGHTS)
        form = {"size": self.size, "temperature": self.temperature, "tower": asdict(self.shape)}
        declare(folder, self.kind, "clip", max_length=self.text.max_length, **form)


def augment(pixels: Tensor) -> Tensor:
    """Pictures [n, 3, size, size] as training shows them: each moved by up to an eighth and scaled by .8 to 1.2, white
    beyond its edges, and a fifth of them grey."""
    n, device = len(pixels), pixels.device
    scale = torch.empty(n, device=device).uniform_(0.8, 1.2)
    move = torch.empty(n, 2, device=device).uniform_(-0.25, 0.25)  # of half a side
    zero = torch.zeros_like(scale)
    rows = torch.stack(
        (torch.stack((scale, zero, move[:, 0]), 1), torch.stack((zero, scale, move[:, 1]), 1)), 1
    )  # [n, 2, 3]
    grid = F.affine_grid(rows, list(pixels.shape), align_corners=False)
    moved = F.grid_sample(pixels - 1, grid, align_corners=False) + 1  # beyond the edge 0, which is now white
    grey = torch.rand(n, device=device) < 0.2
    return torch.where(grey[:, None, None, None], moved.mean(1, keepdim=True), moved)
