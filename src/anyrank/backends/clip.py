"""Encoders of images and texts: CLIP, SigLIP and their relatives by transformers, and our own kind ``image_text``.

A content with an image is its image (of several the mean of their vectors), whatever text is beside it; one without is
its text. Vectors have length 1, so that products are cosines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..core.content import images_of, text_of
from ..core.errors import InputError, ModelError
from ..core.trace import Usage
from ..hub.folder import Declared
from ..io.pictures import decode
from ..vectors import Dense, Encoded
from .hf.load import device_of, dtype_of, quiet, torch_module

TEXTS, PICTURES = 128, 32
"""Texts and pictures that are run at once."""
PADDED = ("siglip", "siglip2")
"""Types of models that were trained on texts padded to their full length."""


@runtime_checkable
class Towers(Protocol):
    """A model with a tower for texts and one for pictures, which end in one space."""

    def texts(self, texts: Sequence[str]) -> tuple[Any, int, int]:
        """A tensor [texts, dim], the number of tokens that were read, and of texts that were cut."""
        ...

    def pictures(self, pictures: Sequence[Any]) -> Any:
        """A tensor [pictures, dim] of pictures in RGB as Pillow has them."""
        ...


def open_folder(
    declared: Declared,
    *,
    max_length: int | None = None,
    device: str = "",
    dtype: str = "float32",
    threads: int | None = None,
) -> ImageTextEncoder:
    """The encoder of a folder with safetensors. ``max_length`` cuts texts shorter than the model does; ``device`` "" is
    the first GPU, else the CPU.

    Raises MissingExtra without torch or Pillow, ModelError if the folder can't be read.
    """
    torch = torch_module("images")
    if threads:
        torch.set_num_threads(threads)
    device = device_of(device)
    if declared.kind == "image_text":
        from ..models import model_class

        model = model_class(declared.kind).from_folder(declared.folder, max_length=max_length)
        model.eval().requires_grad_(False).to(torch.device(device))
        return ImageTextEncoder(declared.name, model)
    return ImageTextEncoder(declared.name, Clip.load(declared.path, device, dtype, max_length, declared.revision))


@dataclass(frozen=True, slots=True, eq=False)
class ImageTextEncoder:
    """An encoder of images and texts over a model's `Towers`: dense float32 [n, dim]. Repeated texts run once.

    Raises InputError, which names the content's position, on an image that can't be read; on a mapping or sequence
    without text or image as on an empty text.
    """

    name: str
    towers: Towers

    def encode(self, contents: Sequence[Any], *, query: bool = False) -> Encoded:
        torch = torch_module("images")
        with torch.inference_mode():
            images = [images_of(content) for content in contents]
            texts = {text_of(c): None for c, shown in zip(contents, images) if not shown}
            rows: list[Any] = [None] * len(contents)
            usage, of_text = self._texts(list(texts))
            for i, vector in self._pictures([(i, image) for i, shown in enumerate(images) for image in shown]):
                rows[i] = vector if rows[i] is None else rows[i] + vector
            for i, content in enumerate(contents):
                if not images[i]:
                    rows[i] = of_text[text_of(content)]
            count = sum(map(len, images))
            cached = sum(not shown for shown in images) - len(texts)
        usage += Usage(calls=count, cached=cached)
        if not rows:
            rows = [np.zeros(len(self._texts([""])[1][""]), np.float32)]
        array = np.stack(rows).astype(np.float32)
        norms = np.linalg.norm(array, axis=1, keepdims=True)
        return Encoded(Dense((array / np.maximum(norms, 1e-12))[: len(contents)]), usage)

    def _texts(self, texts: Sequence[str]) -> tuple[Usage, dict[str, Any]]:
        """The cost and the vectors of distinct texts."""
        vectors: dict[str, Any] = {}
        usage = Usage()
        order = sorted(texts, key=len)  # of near length together, so that little is padded
        for start in range(0, len(order), TEXTS):
            part = order[start : start + TEXTS]
            values, tokens, cut = self.towers.texts(part)
            usage += Usage(len(part), tokens, truncated=cut)
            vectors |= dict(zip(part, _unit(values)))
        return usage, vectors

    def _pictures(self, images: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        """The vector of every image, each with the position of its content."""
        for start in range(0, len(images), PICTURES):
            part = images[start : start + PICTURES]
            pictures = []
            for i, image in part:
                try:
                    pictures.append(decode(image))
                except InputError as error:
                    raise InputError(f"content {i}: {error}") from None
            yield from zip([i for i, _ in part], _unit(self.towers.pictures(pictures)))


def _unit(values: Any) -> Any:
    """Rows of a tensor as float32 rows of length 1."""
    array = values.float().cpu().numpy()
    return array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A model of transformers with its tokenizer and the processor of its images."""

    model: Any
    tokenizer: Any
    processor: Any
    max_length: int

    @classmethod
    def load(cls, path: str, device: str, dtype: str, max_length: int | None, revision: str = "") -> Clip:
        """Raises ModelError if the model can't be loaded."""
        torch = torch_module("images")
        import transformers as tf

        common = {"revision": revision or None, "trust_remote_code": False}
        auto: Any = tf.AutoModel
        processors: Any = tf.AutoImageProcessor
        try:
            with quiet():
                model = auto.from_pretrained(path, dtype=dtype_of(dtype, device), use_safetensors=True, **common)
                tokenizer = tf.AutoTokenizer.from_pretrained(path, **common)
                processor = processors.from_pretrained(path, **common)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(f"{path}: can't be loaded: {' '.join(str(error).split())[:500]}") from error
        longest = getattr(model.config.text_config, "max_position_embeddings", tokenizer.model_max_length)
        model = model.eval().requires_grad_(False).to(torch.device(device))
        return cls(model, tokenizer, processor, min(longest, max_length or longest, tokenizer.model_max_length))

    def texts(self, texts: Sequence[str]) -> tuple[Any, int, int]:
        lengths = [len(ids) for ids in self.tokenizer(list(texts), return_attention_mask=False)["input_ids"]]
        padding = "max_length" if self.model.config.model_type in PADDED else True
        inputs = self.tokenizer(
            list(texts), padding=padding, truncation=True, max_length=self.max_length, return_tensors="pt"
        )
        values = self.model.get_text_features(**self._moved(inputs))
        return _pooled(values), sum(min(n, self.max_length) for n in lengths), sum(n > self.max_length for n in lengths)

    def pictures(self, pictures: Sequence[Any]) -> Any:
        inputs = self.processor(images=list(pictures), return_tensors="pt")
        return _pooled(self.model.get_image_features(**self._moved(inputs)))

    def _moved(self, inputs: Any) -> dict[str, Any]:
        """Inputs on the model's device, real numbers in its dtype."""
        device, dtype = self.model.device, self.model.dtype
        return {k: v.to(device, dtype) if v.is_floating_point() else v.to(device) for k, v in inputs.items()}


def _pooled(output: Any) -> Any:
    """The features of a tower: transformers before 5 returns them alone, later versions with the states."""
    return output if isinstance(output, torch_module().Tensor) else output.pooler_output
