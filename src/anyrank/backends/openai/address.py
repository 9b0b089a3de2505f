"""Opens a model of a server by its address, "MODEL@URL#SETTINGS"."""

from __future__ import annotations

from ...core.errors import InputError
from ..addresses import read_address, read_settings
from .model import OpenAI

HOSTED = "https://api.openai.com/v1"
_OWN = {"key_env": str, "key_file": str, "limit_field": str, "prefill": str, "top": int, "concurrency": int,
        "deadline": float, "max_tokens": int}  # fmt: skip
"""The settings that are fields of `OpenAI`, with their types."""
_REQUEST = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "frequency_penalty",
    "presence_penalty",
    "repetition_penalty",
    "logit_bias",
    "response_format",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
    "think",
    "verbosity",
    "chat_template_kwargs",
    "service_tier",
    "store",
    "metadata",
    "user",
    "provider",
    "options",
    "keep_alive",
    "num_ctx",
    "cache_prompt",
    "structured_outputs",
    "guided_regex",
    "guided_choice",
    "guided_json",
    "truncate_prompt_tokens",
    "parallel_tool_calls",
    "prompt_cache_key",
    "ignore_eos",
    "min_tokens",
)
"""Fields of a request that are settings by their own names."""


def open_address(address: str) -> OpenAI:
    """The model of an address "MODEL@URL#SETTINGS". Without "@URL" it is the hosted server's, with the key in
    OPENAI_API_KEY.

    Settings are the fields of `OpenAI` and of `Patience`, and those of a request: "temperature=1", "temperature=none"
    (not sent), "chat_template_kwargs.enable_thinking=false", any other as "extra.NAME=VALUE" or in one object as
    "extra={…}". Raises InputError for unknown settings.

    >>> open_address("qwen3@http://127.0.0.1:8080/v1#prefill=vllm&temperature=none&top=5").extra
    {'temperature': None}
    """
    owner = f"openai:{address.partition('#')[0]}"
    model, url, settings = read_address(address, "openai:")
    if not model:
        raise InputError("openai: names no model")
    for name in ("max_completion_tokens", "max_output_tokens", "max_new_tokens"):
        if name in settings:
            settings = {"limit_field": name, **{("max_tokens" if n == name else n): v for n, v in settings.items()}}
    others = ", and fields of the request such as temperature; any other field is sent by extra.NAME=VALUE"
    options = read_settings(settings, _OWN, _REQUEST, owner, others)
    if options.get("prefill", "") not in ("", "server", "vllm"):
        raise InputError(f"openai:{address}: prefill is server or vllm, not {options['prefill']!r}")
    if not url and not options.keys() & {"key_env", "key_file"}:
        options["key_env"] = "OPENAI_API_KEY"
    return OpenAI(model, url or HOSTED, **options)
