"""Tiny random models of transformers that see images, saved as folders."""

import string
from pathlib import Path
from typing import Any


def words() -> Any:
    """A tokenizer of letters with CLIP's marks."""
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *string.digits, ",", "."]
    tokens = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[])


def clip(folder: Path, seed: int = 0) -> Any:
    """A CLIP with towers of one layer."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    torch.manual_seed(seed)
    tokenizer = words()
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = CLIPConfig(
        text_config={**tower, **marks, "vocab_size": len(tokenizer), "max_position_embeddings": 20},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    model: Any = CLIPModel(config)
    model.eval()
    with torch.no_grad():  # random towers of so few weights see little of their input
        for p in model.parameters():
            p.normal_(0, 0.5)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


def siglip(folder: Path, seed: int = 0) -> Any:
    """A SigLIP with towers of one layer; its texts are padded to their full length."""
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    torch.manual_seed(seed)
    tokenizer = words()
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**tower, "vocab_size": len(tokenizer), "max_position_embeddings": 12, "projection_size": 16},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
    )
    model: Any = SiglipModel(config)
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


def squares(*colours: str, size: tuple[int, int] = (40, 32)) -> list[Any]:
    """A picture of each colour, with a diagonal that tells its sides apart."""
    from PIL import Image, ImageDraw

    pictures = []
    for colour in colours:
        picture = Image.new("RGB", size, colour)
        ImageDraw.Draw(picture).line((0, 0, *size), fill="white", width=3)
        pictures.append(picture)
    return pictures


CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{% for p in m['content'] %}{% if p['type'] == 'image' %}<image>"
    "{% else %}{{ p['text'] }}{% endif %}{% endfor %}{% if not loop.last or add_generation_prompt %}</s>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def llava(folder: Path, seed: int = 0) -> Any:
    """A vision-language model (LLaVA) of one layer, with a byte-level tokenizer and a chat template."""
    import torch
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    from .tiny import tokenizer

    torch.manual_seed(seed)
    words = tokenizer(folder)
    words.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    image = words.convert_tokens_to_ids("<image>")
    config = LlavaConfig(
        vision_config={**tower, "model_type": "clip_vision_model", "image_size": 16, "patch_size": 8},
        text_config={
            **tower,
            "model_type": "llama",
            "vocab_size": len(words),
            "max_position_embeddings": 512,
            "initializer_range": 0.4,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        image_token_index=image,
        vision_feature_layer=-1,
    )
    model: Any = LlavaForConditionalGeneration(config)
    with torch.no_grad():  # so that a picture counts beside the words
        for name, p in model.named_parameters():
            if "vision" in name or "projector" in name:
                p.normal_(0, 0.5)
    model.eval()
    model.save_pretrained(folder)
    make: Any = LlavaProcessor
    processor = make(
        image_processor=CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        tokenizer=words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    processor.save_pretrained(folder)
    return model
