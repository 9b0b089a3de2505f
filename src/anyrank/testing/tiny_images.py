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
