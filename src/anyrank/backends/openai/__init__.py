"""Language models behind any OpenAI-compatible server: vLLM, the llama.cpp server, Ollama, hosted ones."""

from ..http import Patience
from .model import OpenAI, open_address

__all__ = ["OpenAI", "Patience", "open_address"]
