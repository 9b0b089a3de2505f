"""Vision-language models on transformers: prompts of texts and images, answers of texts.

Prompts run one after another, each as the model's own processor prepares it, so that none changes another's result.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ...core.content import Image
from ...core.errors import InputError, ModelError
from ...core.language import Completion, LogProbs, Prompt, Turn, images_in
from ...core.trace import Usage
from ...hub.fingerprint import Fingerprinted
from ...hub.positions import most_tokens
from ...io.pictures import decode
from .load import device_of, dtype_of, quiet, torch_module


def has_vision_tower(folder: Path) -> bool:
    """Whether a folder's config.json is that of a language model with a tower for images."""
    file = folder / "config.json"
    return file.is_file() and "vision_config" in json.loads(file.read_text("utf-8"))


@dataclass(frozen=True)
class Vision(Fingerprinted):
    """A vision-language model by its folder or hub id; loaded when first used.

    ``dtype``: "auto" (bfloat16 if the machine is fast at it, else float32), "bfloat16", "float16", "float32".
    ``threads``: torch's threads, set for the whole process. ``context``: tokens that fit (the model's own number by
    default). A prompt that doesn't fit raises InputError, since one with images can't be cut in its middle.

    Errors: MissingExtra without torch, transformers or Pillow; ModelError if the model can't be loaded.
    """

    path: str
    dtype: str = "auto"
    revision: str | None = None
    threads: int | None = None
    device: str = ""
    context: int | None = None

    reads_images: ClassVar[bool] = True

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        torch = torch_module("images")
        if self.threads:
            torch.set_num_threads(self.threads)
        import transformers as tf

        device = device_of(self.device)
        common = {"revision": self.revision, "trust_remote_code": False}
        models: Any = tf.AutoModelForImageTextToText
        processors: Any = tf.AutoProcessor
        try:
            with quiet():
                processor = processors.from_pretrained(self.path, **common)
                model = models.from_pretrained(
                    self.path, dtype=dtype_of(self.dtype, device), use_safetensors=True, **common
                )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(f"{self.path}: can't be loaded: {' '.join(str(error).split())[:500]}") from error
        if not getattr(processor, "chat_template", None):
            raise ModelError(f"{self.path}: its processor has no chat template, by which images are put into a prompt")
        return model.eval().requires_grad_(False).to(torch.device(device)), processor

    @cached_property
    def limit(self) -> int | None:
        """Tokens that fit."""
        own = most_tokens(self._loaded[0].config.get_text_config().to_dict())
        return min((n for n in (self.context, own) if n), default=None)

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int,
        stop: Sequence[str] = (),
        temperature: float = 0.0,
        seed: int = 0,
    ) -> list[Completion]:
        if max_tokens < 1:
            raise InputError(f"max_tokens={max_tokens}: must be at least 1")
        return [self._answer(prompt, max_tokens, stop, temperature, seed) for prompt in prompts]

    def _answer(
        self, prompt: Prompt, max_tokens: int, stop: Sequence[str], temperature: float, seed: int
    ) -> Completion:
        torch, (model, processor) = torch_module("images"), self._loaded
        inputs = self._inputs(prompt, reserve=1)
        length = inputs["input_ids"].shape[1]
        room = min(max_tokens, (self.limit or length + max_tokens) - length)
        options: dict[str, Any] = {"do_sample": temperature > 0}
        options |= {"temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {}
        options |= {"stop_strings": list(stop), "tokenizer": processor.tokenizer} if stop else {}
        with torch.random.fork_rng(), torch.inference_mode(), quiet():
            torch.manual_seed(seed)
            ids = model.generate(**inputs, max_new_tokens=room, **options)[0, length:].tolist()
        text = processor.tokenizer.decode(ids, skip_special_tokens=True)
        end = min((text.find(s) for s in stop if s in text), default=len(text))
        cut = len(ids) >= room and end == len(text) and ids[-1] not in self._ends
        usage = Usage(1, length, len(ids))
        return Completion(text[:end], usage, "length" if cut else "stop")

    def next_token_logprobs(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[LogProbs]:
        """Options are tokenised apart from the prompt."""
        return [self._scored(prompt, texts) for prompt, texts in zip(prompts, options, strict=True)]

    def loglikelihood(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[LogProbs]:
        return self.next_token_logprobs(prompts, [(text,) for text in continuations])

    def _scored(self, prompt: Prompt, options: Sequence[str]) -> LogProbs:
        torch, (model, processor) = torch_module("images"), self._loaded
        ids = [processor.tokenizer(text, add_special_tokens=False)["input_ids"] for text in options]
        inputs = self._inputs(prompt, reserve=max(map(len, ids), default=1))
        length = inputs["input_ids"].shape[1]
        values = []
        with torch.inference_mode():
            first = model(**inputs).logits[0, -1].float().log_softmax(-1)
            for option in ids:
                if not option:
                    values.append(0.0)
                    continue
                value = float(first[option[0]])
                if len(option) > 1:
                    logits = model(**self._continued(inputs, option[:-1])).logits[0, length:].float().log_softmax(-1)
                    value += float(logits[range(len(option) - 1), option[1:]].double().sum())
                values.append(value)
        return LogProbs(tuple(values), Usage(1, length), tuple(map(len, ids)))

    @staticmethod
    def _continued(inputs: dict[str, Any], ids: Sequence[int]) -> dict[str, Any]:
        """Inputs with more tokens of text at their end."""
        torch, row = torch_module("images"), inputs["input_ids"]
        new = torch.tensor([list(ids)], device=row.device)
        out = {**inputs, "input_ids": torch.cat([row, new], 1)}
        for name in ("attention_mask", "token_type_ids", "mm_token_type_ids"):
            if name in inputs:
                fill = 1 if name == "attention_mask" else 0
                out[name] = torch.cat([inputs[name], torch.full_like(new, fill)], 1)
        return out

    @cached_property
    def _ends(self) -> frozenset[int]:
        ends = self._loaded[0].generation_config.eos_token_id
        ids = ends if isinstance(ends, list) else [ends]
        return frozenset(e for e in (*ids, self._loaded[1].tokenizer.eos_token_id) if e is not None)

    def _inputs(self, prompt: Prompt, reserve: int) -> dict[str, Any]:
        """A prompt as the model's arguments. Raises InputError if it and ``reserve`` more tokens don't fit."""
        torch, (model, processor) = torch_module("images"), self._loaded
        turns = (Turn("user", prompt),) if isinstance(prompt, str) else prompt
        continues = bool(turns) and turns[-1].role == "assistant"
        text = processor.apply_chat_template(
            [_message(turn) for turn in turns],
            tokenize=False,
            add_generation_prompt=not continues,
            continue_final_message=continues,
        )
        pictures = [decode(image) for image in images_in(turns)]
        inputs = processor(text=text, images=pictures or None, return_tensors="pt", add_special_tokens=False)
        length = inputs["input_ids"].shape[1]
        if self.limit is not None and length + reserve > self.limit:
            raise InputError(
                f"the prompt has {length} tokens with its {len(pictures)} images, and {self.path} reads "
                f"{self.limit}, {reserve} of them for the answer: show fewer candidates at once"
            )
        kinds = (torch.float32, torch.float64)
        number = model.dtype
        return {k: v.to(model.device, number if v.dtype in kinds else v.dtype) for k, v in inputs.items()}


def _message(turn: Turn) -> dict[str, Any]:
    """A turn as processors of transformers read it; the images themselves are given apart."""
    parts = (turn.content,) if isinstance(turn.content, str) else turn.content
    return {
        "role": turn.role,
        "content": [{"type": "image"} if isinstance(p, Image) else {"type": "text", "text": p} for p in parts],
    }
