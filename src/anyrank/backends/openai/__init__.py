"""Language models behind any OpenAI-compatible server: vLLM, the llama.cpp server, Ollama, hosted ones."""

from ..http import Patience
from .address import open_address
from .model import OpenAI

__all__ = ["OpenAI", "Patience", "open_address"]
