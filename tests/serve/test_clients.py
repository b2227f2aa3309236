"""What editors' plugins send, byte for byte in what matters, and how they read the answer.

Each row says where its body and its reading come from: the repository, and the file in it. The values of fields are the
plugins' defaults. What all of them have to get is the suggestion that `/infill` gives for the same place.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.serve.test_http import events

FUNCTIONS = "".join(f"def function_{i}(value):\n    return value + {i}\n\n\n" for i in range(12))
BEFORE, AFTER = FUNCTIONS + "def function_12(", "\n\n\ndef main():\n    return function_0(1)\n"
RIGHT = "value):\n    return value + 12"
OTHER = "SIDES = 4\n"
STARCODER = f"<fim_prefix>{BEFORE}<fim_suffix>{AFTER}<fim_middle>"
CODE_LLAMA = f"<PRE> {BEFORE} <SUF>{AFTER} <MID>"
QWEN = f"<|fim_prefix|>{BEFORE}<|fim_suffix|>{AFTER}<|fim_middle|>"
TOKENS = ("<fim_", "<file_sep>", "<|", "<PRE>", "<SUF>", "<MID>", "<EOT>", "[PREFIX]", "[SUFFIX]", "<｜")
Body = dict[str, Any]
Read = Callable[[httpx.Response], str]


def of_json(*keys: str | int) -> Read:
    """One value of a JSON answer."""

    def read(response: httpx.Response) -> str:
        value: Any = response.json()
        for key in keys:
            value = value[key]
        return str(value)

    return read


def of_events(*keys: str | int) -> Read:
    """One value of each server-sent event, as long as there is one."""

    def read(response: httpx.Response) -> str:
        found = []
        for event in events(response):
            value: Any = event
            for key in keys:
                value = value[key]
            found.append(str(value))
        return "".join(found)

    return read


def of_lines(response: httpx.Response) -> str:
    """`response` of each line of NDJSON."""
    return "".join(json.loads(line)["response"] for line in response.iter_lines() if line)


TEXT, TEXTS = of_json("choices", 0, "text"), of_events("choices", 0, "text")


@dataclass(frozen=True)
class Client:
    name: str
    path: str
    body: Body
    read: Read


# Continue sends the same options to all that speak OpenAI's: core/llm/llms/OpenAI.ts, SiliconFlow.ts, LlamaStack.ts,
# Deepseek.ts. `stop` is of the template that it chooses by the model's name: core/autocomplete/templating/
# AutocompleteTemplate.ts; undefined ones are not in the JSON.
CONTINUE_STOPS = [
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
    "<file_sep>",
    "<|endoftext|>",
    "</fim_middle>",
    "</code>",
]
CONTINUE = {"model": "starcoder2", "max_tokens": 64, "temperature": 0.01, "stop": CONTINUE_STOPS, "stream": True}
CONTINUE_FIM = {**CONTINUE, "prompt": BEFORE, "suffix": AFTER}
# core/llm/llms/Ollama.ts: _getGenerateOptions and _getModelFileParams.
CONTINUE_OLLAMA = {
    "model": "starcoder2:3b",
    "options": {"temperature": 0.01, "num_predict": 64, "stop": CONTINUE_STOPS, "num_ctx": 8192},
    "keep_alive": 1800,
    "stream": True,
}
# zed-industries/zed, crates/edit_prediction/src/fim.rs (stop tokens, format by the model's name) and ollama.rs.
ZED_STOPS = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>"]
ZED_OLLAMA = {
    "num_predict": 64,
    "temperature": 0.2,
    "stop": ["<|endoftext|>", "<|file_separator|>", "<fim_middle>", "<PRE>"],
}
# twinnydotdev/twinny, src/extension/provider-options.ts; templates in src/extension/fim-templates.ts.
TWINNY_LLAMA = f"<PRE> \n{BEFORE} <SUF> {AFTER} <MID>"
# TabbyML/tabby, crates/http-api-bindings/src/completion/{openai,llama,mistral}.rs.
TABBY = {"model": "starcoder2", "max_tokens": 64, "temperature": 0.1, "stream": True}
# carlrobertoh/ProxyAI, codecompletions/CodeCompletionRequestFactory.kt and InfillPromptTemplate.kt.
PROXYAI_QWEN = f"<|fim_prefix|> {BEFORE} <|fim_suffix|>{AFTER} <|fim_middle|>"
PROXYAI_OPTIONS = {"num_predict": 128, "temperature": 0.4, "stop": ["<|endoftext|>", "<|fim_prefix|>", "<|cursor|>"]}

CLIENTS = [
    # milanglacier/minuet-ai.nvim, lua/minuet/backends/common.lua (complete_openai_fim_base) and lua/minuet/config.lua.
    Client(
        "minuet with suffix",
        "/v1/completions",
        {"model": "PLACEHOLDER", "stream": True, "prompt": BEFORE, "suffix": AFTER, "max_tokens": 56, "top_p": 0.9},
        TEXTS,
    ),
    # Its recipes.md, for llama.cpp: the template writes Qwen2.5-Coder's tokens, and `suffix` is false, so not sent.
    Client(
        "minuet's recipe for llama.cpp",
        "/v1/completions",
        {"model": "PLACEHOLDER", "stream": True, "prompt": QWEN, "max_tokens": 56, "top_p": 0.9},
        TEXTS,
    ),
    Client("Continue, siliconflow", "/v1/completions", CONTINUE_FIM, TEXTS),
    Client("Continue, deepseek", "/beta/completions", CONTINUE_FIM, TEXTS),
    # core/llm/llms/OpenAI.ts (_streamFim), which Mistral.ts inherits.
    Client(
        "Continue, mistral and openai", "/v1/fim/completions", CONTINUE_FIM, of_events("choices", 0, "delta", "content")
    ),
    # core/llm/llms/OpenAI.ts (_legacystreamComplete), with what AutocompleteTemplate.ts makes for a starcoder.
    Client("Continue, openai with its template", "/v1/completions", {**CONTINUE, "prompt": STARCODER}, TEXTS),
    # core/llm/llms/LlamaCpp.ts: it reads `content` of each event.
    Client(
        "Continue, llama.cpp",
        "/completion",
        {"prompt": STARCODER, "stream": True, "n_predict": 64, "stop": CONTINUE_STOPS, "temperature": 0.01},
        of_events("content"),
    ),
    Client("Continue, ollama", "/api/generate", {**CONTINUE_OLLAMA, "prompt": BEFORE, "suffix": AFTER}, of_lines),
    Client(
        "Continue, ollama with its template",
        "/api/generate",
        {**CONTINUE_OLLAMA, "prompt": STARCODER, "raw": True},
        of_lines,
    ),
    # huggingface/llm-ls, crates/llm-ls/src/backend.rs (build_body), main.rs (build_prompt, build_url); FIM tokens and
    # `parameters` are the defaults of huggingface/llm.nvim, lua/llm/config.lua.
    Client(
        "llm-ls, openai and llamacpp",
        "/v1/completions",
        {
            "prompt": STARCODER,
            "model": "bigcode/starcoder2-3b",
            "stream": False,
            "parameters": {"max_new_tokens": 60, "temperature": 0.2, "top_p": 0.95},
        },
        TEXT,
    ),
    Client(
        "llm-ls, ollama",
        "/api/generate",
        {
            "prompt": STARCODER,
            "model": "starcoder2:3b",
            "stream": False,
            "options": {"num_predict": 60, "temperature": 0.2},
        },
        of_json("response"),
    ),
    # crates/edit_prediction/src/open_ai_compatible.rs: no temperature, and the environment is null.
    Client(
        "Zed, star_coder format",
        "/v1/completions",
        {
            "model": "starcoder2",
            "prompt": STARCODER,
            "max_tokens": 64,
            "temperature": None,
            "stop": ZED_STOPS,
            "environment": None,
        },
        TEXT,
    ),
    Client(
        "Zed, ollama",
        "/api/generate",
        {"model": "starcoder2:3b", "prompt": STARCODER, "raw": True, "stream": False, "options": ZED_OLLAMA},
        of_json("response"),
    ),
    Client(
        "Zed, ollama by its default model",
        "/api/generate",
        {"model": "qwen2.5-coder:3b-base", "prompt": QWEN, "raw": True, "stream": False, "options": ZED_OLLAMA},
        of_json("response"),
    ),
    # The default provider: src/extension/provider-manager.ts (getDefaultFimProvider). It reads `response` of each line.
    Client(
        "twinny by its defaults",
        "/api/generate",
        {
            "model": "codellama:7b-code",
            "prompt": TWINNY_LLAMA,
            "stream": True,
            "keep_alive": "5m",
            "options": {"temperature": 0.2, "num_predict": 512},
        },
        of_lines,
    ),
    Client(
        "twinny, llamacpp",
        "/completion",
        {
            "prompt": f"<fim_prefix>\n{BEFORE}<fim_suffix>{AFTER}<fim_middle>",
            "stream": True,
            "temperature": 0.2,
            "max_tokens": 512,
        },
        of_events("content"),
    ),
    Client(
        "Tabby, openai/completion",
        "/v1/completions",
        {**TABBY, "prompt": BEFORE, "suffix": AFTER, "presence_penalty": 0.0},
        TEXTS,
    ),
    Client(
        "Tabby, openai/legacy_completion and vllm",
        "/v1/completions",
        {**TABBY, "prompt": STARCODER, "suffix": None, "presence_penalty": 0.0},
        TEXTS,
    ),
    Client(
        "Tabby, llama.cpp/completion",
        "/completion",
        {
            "seed": 42,
            "prompt": STARCODER,
            "n_predict": 64,
            "temperature": 0.1,
            "stream": True,
            "penalty_last_n": 0,
            "presence_penalty": 0.0,
        },
        of_events("content"),
    ),
    Client(
        "Tabby, mistral/completion",
        "/v1/fim/completions",
        {**TABBY, "model": "codestral-latest", "prompt": BEFORE, "suffix": AFTER, "random_seed": 42},
        of_events("choices", 0, "delta", "content"),
    ),
    # crates/ollama-api-bindings/src/completion.rs: not raw, but with a template that is the prompt alone.
    Client(
        "Tabby, ollama/completion",
        "/api/generate",
        {
            "model": "starcoder2:3b",
            "prompt": STARCODER,
            "template": "{{ .Prompt }}",
            "stream": True,
            "options": {"num_ctx": 2048, "num_predict": 64, "seed": 42, "repeat_last_n": 0, "temperature": 0.1},
        },
        of_lines,
    ),
    # ex3ndr/llama-coder, src/prompts/autocomplete.ts and src/prompts/processors/models.ts.
    Client(
        "llama-coder",
        "/api/generate",
        {
            "model": "codellama:7b-code-q4_K_M",
            "prompt": f"<PRE> {BEFORE} <SUF> {AFTER} <MID>",
            "raw": True,
            "options": {"stop": ["<END>", "<EOD>", "<EOT>"], "num_predict": 256, "temperature": 0.2},
        },
        of_lines,
    ),
    # tzachar/cmp-ai, lua/cmp_ai/backends/ollama.lua.
    Client(
        "cmp-ai by its defaults",
        "/api/generate",
        {"model": "codellama:7b-code", "prompt": CODE_LLAMA, "stream": False, "options": {"temperature": 0.2}},
        of_json("response"),
    ),
    # SilasMarvin/lsp-ai, crates/lsp-ai/src/transformer_backends/ollama.rs; FIM tokens of its examples.
    Client(
        "lsp-ai, ollama",
        "/api/generate",
        {
            "model": "x",
            "prompt": STARCODER,
            "options": {"num_predict": 32},
            "keep_alive": None,
            "raw": True,
            "stream": False,
        },
        of_json("response"),
    ),
    # crates/lsp-ai/src/transformer_backends/mistral_fim.rs.
    Client(
        "lsp-ai, mistral_fim",
        "/v1/fim/completions",
        {
            "prompt": BEFORE,
            "suffix": AFTER,
            "model": "codestral-latest",
            "max_tokens": 64,
            "top_p": 0.95,
            "temperature": 0.1,
            "min_tokens": None,
            "random_seed": None,
            "stop": [],
        },
        of_json("choices", 0, "message", "content"),
    ),
    Client(
        "ProxyAI, ollama",
        "/api/generate",
        {
            "model": "starcoder2:3b",
            "prompt": BEFORE,
            "suffix": AFTER,
            "stream": True,
            "options": PROXYAI_OPTIONS,
            "raw": True,
        },
        of_lines,
    ),
    Client(
        "ProxyAI, ollama with its template",
        "/api/generate",
        {"model": "qwen2.5-coder", "prompt": PROXYAI_QWEN, "stream": True, "options": PROXYAI_OPTIONS, "raw": True},
        of_lines,
    ),
    Client(
        "ProxyAI, llama.cpp",
        "/completion",
        {"prompt": CODE_LLAMA, "n_predict": 128, "stream": True, "temperature": 0.0, "stop": ["<EOT>"]},
        of_events("content"),
    ),
]


def without_chance(body: Body) -> Body:
    """The same at temperature 0: what is drawn at random is nothing to compare."""
    if "options" in body:
        return {**body, "options": {**body["options"], "temperature": 0}}
    return {**body, "temperature": 0}


@pytest.fixture(scope="module")
def expected(shared_url: str) -> str:
    body = {
        "input_prefix": BEFORE,
        "input_suffix": AFTER,
        "n_predict": 64,
        "first_token_budget_ms": 0,
        "temperature": 0,
    }
    content: str = httpx.post(f"{shared_url}/infill", json=body, timeout=120).json()["content"]
    assert content == RIGHT
    return content


@pytest.mark.parametrize("plugin", CLIENTS, ids=lambda plugin: plugin.name)
def test_the_first_suggestion_is_right(client: httpx.Client, plugin: Client, expected: str) -> None:
    answered = client.post(plugin.path, json=plugin.body)
    assert answered.status_code == 200, answered.text
    drawn = plugin.read(answered)
    assert not any(token in drawn for token in TOKENS)
    assert plugin.read(client.post(plugin.path, json=without_chance(plugin.body))) == expected


def test_llama_vim_reads_flat_keys(client: httpx.Client, expected: str) -> None:
    """ggml-org/llama.vim, autoload/llama.vim: llama#fim, fim_on_response and ring_update."""
    *lines, last = BEFORE.split("\n")
    assert last == "def function_12("
    body: Body = {
        "id_slot": 0,
        "input_prefix": "\n".join(lines) + "\n",
        "input_suffix": AFTER,
        "input_extra": [],
        "prompt": last,
        "n_predict": 128,
        "stop": [],
        "n_indent": 0,
        "top_k": 40,
        "top_p": 0.90,
        "samplers": ["top_k", "top_p", "infill"],
        "stream": False,
        "cache_prompt": True,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 1000,
        "response_fields": [
            "content", "timings/prompt_n", "timings/prompt_ms", "timings/prompt_per_token_ms",
            "timings/prompt_per_second", "timings/predicted_n", "timings/predicted_ms",
            "timings/predicted_per_token_ms", "timings/predicted_per_second", "truncated", "tokens_cached",
        ],
    }  # fmt: skip
    answer = client.post("/infill", json={**body, "first_token_budget_ms": 0}).json()
    assert list(answer) == body["response_fields"] and answer["content"] == expected
    assert answer["timings/predicted_n"] > 0 and answer["timings/predicted_ms"] > 0
    ring = {
        "id_slot": 0, "input_prefix": "", "input_suffix": "", "prompt": "", "n_predict": 0, "temperature": 0.0,
        "input_extra": [{"text": OTHER, "time": 1.5, "filename": "shapes.py"}], "samplers": [], "stream": False,
        "cache_prompt": True, "t_max_prompt_ms": 1, "t_max_predict_ms": 1, "response_fields": [""],
    }  # fmt: skip
    assert client.post("/infill", json=ring).json() == {}


def test_llama_vscode_reads_an_array_and_the_context_size(client: httpx.Client, expected: str) -> None:
    """ggml-org/llama.vscode, src/llama-server.ts (createRequestPayload), src/completion.ts and src/statusbar.ts."""
    body = {
        "id_slot": 0,
        "input_prefix": BEFORE,
        "input_suffix": AFTER,
        "input_extra": [],
        "prompt": "",
        "n_predict": 128,
        "n_cmpl": 3,
        "top_k": 40,
        "top_p": 0.99,
        "stream": False,
        "samplers": ["top_k", "top_p", "infill"],
        "cache_prompt": True,
        "n_indent": 0,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 2500,
    }
    answers = client.post("/infill", json={**body, "first_token_budget_ms": 0}).json()
    assert len(answers) == 3 and answers[0]["content"] == expected
    for answer in answers:
        assert answer["generation_settings"]["n_ctx"] > 0
        assert all(isinstance(answer["timings"][name], float) for name in ("prompt_ms", "predicted_ms"))
    prepared = client.post("/infill", json={**body, "n_cmpl": None, "n_predict": 0, "samplers": []})
    assert prepared.status_code == 200


def test_files_that_a_template_puts_in_front_go_in_front(client: httpx.Client) -> None:
    """continuedev/continue, core/autocomplete/templating/AutocompleteTemplate.ts: starcoder2FimTemplate."""
    prompt = f"<file_sep>{OTHER}<file_sep>{STARCODER}"
    shown = client.post("/completion", json={"prompt": prompt, "n_predict": 1}).json()["prompt"]
    assert shown == f"<file_sep>{OTHER}<file_sep><fim_prefix><fim_suffix>{AFTER}<fim_middle>{BEFORE}"


def test_an_ollama_client_finds_a_model_that_fills_in(client: httpx.Client) -> None:
    """continuedev/continue, core/llm/llms/Ollama.ts: what the template says, and each line of `parameters`.

    ex3ndr/llama-coder, src/modules/ollamaCheckModel.ts: a model's exact name among those that are here.
    """
    shown = client.post("/api/show", json={"name": "codellama:7b"}).json()
    assert ".Suffix" in shown["template"] and shown["parameters"] == ""
    names = [model["name"] for model in client.get("/api/tags").json()["models"]]
    assert names and all(client.post("/api/show", json={"name": name}).status_code == 200 for name in names)
