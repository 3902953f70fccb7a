"""Requests with every parameter that there is (contract 4.1, 4.4, 4.5, 4.6), and answers with every field.

They are texts: what they are about is lost in a `dict`. `MODEL` stands for the model's name.
"""

CHAT = r"""{"messages": [
  {"role": "developer", "content": "You are a miller. 你好 \u4f60\u597d \ud83d\ude00 😀 \/ \u2028 \u0000"},
  {"role": "user", "name": "somebody", "content": [
    {"type": "text", "text": "cut \ud83d", "prompt_cache_breakpoint": {"mode": "explicit"}},
    {"type": "image_url", "image_url": {"detail": "high",
      "url": "data:image/png;base64,iVBORw0KGgo+/4e5E10=="}},
    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    {"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}}]},
  {"role": "assistant", "content": null, "refusal": null, "audio": {"id": "audio_1"}, "tool_calls": [
    {"id": "call_12345678901234567890", "type": "function",
     "function": {"name": "weather", "arguments": "{\"city\": \"K\u00f6ln\", \"n\": 1e400}"}}]},
  {"role": "tool", "tool_call_id": "call_12345678901234567890", "content": "12\u00b0"},
  {"role": "function", "name": "old", "content": "{}"}],
 "model": "MODEL", "audio": {"format": "pcm16", "voice": "alloy"}, "frequency_penalty": -0.0,
 "function_call": {"name": "old"}, "functions": [{"name": "old", "parameters": {}}],
 "logit_bias": {"50256": -100, "1": 1E+2, "2": 0.10}, "logprobs": true, "max_completion_tokens": 100,
 "max_tokens": 100, "metadata": {"z": "1", "a": "2", "": ""}, "modalities": ["text", "audio"],
 "moderation": {"model": "m", "policy": {"input": {"mode": "score"}}}, "n": 3, "parallel_tool_calls": false,
 "prediction": {"type": "content", "content": "Hi"}, "presence_penalty": 1.50, "prompt_cache_key": "k",
 "prompt_cache_options": {"mode": "implicit", "ttl": "30m"}, "prompt_cache_retention": "24h",
 "reasoning_effort": "xhigh", "response_format": {"type": "json_schema", "json_schema": {
    "name": "s", "strict": true, "schema": {"type": "object", "properties": {"b": {"type": "number",
    "multipleOf": 0.0000001, "maximum": 123456789012345678901234567890}, "a": {"type": "null"}},
    "required": ["b", "a"], "additionalProperties": false}}},
 "safety_identifier": "u", "seed": 9223372036854775807, "service_tier": "flex", "stop": ["\n", "\u2028"],
 "store": false, "stream": false, "stream_options": null, "temperature": 1e0, "tool_choice": {
    "type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}},
 "tools": [{"type": "function", "function": {"name": "weather", "strict": true, "parameters": {}}},
    {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar"}}}],
 "top_logprobs": 20, "top_p": 0.1234567890123456789, "user": "u", "verbosity": "low",
 "web_search_options": {"search_context_size": "low", "user_location": null},
 "guided_regex": "\\d+", "unknown to us": {"big": 340282366920938463463374607431768211456, "tiny": 1e-400,
    "minus nothing": -0, "deep": [[[[[{}]]]]], "Ключ": [true, false, null]}}"""

COMPLETIONS = r"""{"prompt": [[15496, 995, 0], [50256]], "best_of": 3, "echo": true, "model": "MODEL",
 "frequency_penalty": 0.00, "logit_bias": {"50256": -1e2}, "logprobs": 5, "max_tokens": 16, "n": 3,
 "presence_penalty": -2, "seed": 18446744073709551616, "stop": "\n", "stream": null,
 "stream_options": {"include_usage": true}, "suffix": "", "temperature": 0.70, "top_p": 1.0, "user": "\ud83d",
 "repetition_penalty": 1.0500, "min_p": 5e-2}"""

EMBEDDINGS = r"""{"model": "MODEL", "input": ["你好", "Hello", "\u2028\udead"], "dimensions": 256,
 "encoding_format": "base64", "user": "u", "input_type": "query", "truncate_prompt_tokens": -1}"""

RESPONSES = r"""{"model": "MODEL", "input": [{"role": "user", "content": [
    {"type": "input_text", "text": "Hi"},
    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA=="},
    {"type": "function_call_output", "call_id": "c", "output": "{\"a\": 1.0}"}],
 "instructions": "Be brief.", "previous_response_id": "resp_1", "conversation": {"id": "conv_1"},
 "store": true, "background": false, "include": ["reasoning.encrypted_content"], "max_output_tokens": 1000,
 "max_tool_calls": 3, "metadata": {}, "parallel_tool_calls": true, "prompt": {"id": "pmpt_1", "version": "2"},
 "reasoning": {"effort": "max", "summary": "auto"}, "service_tier": "auto", "stream": false,
 "stream_options": null, "temperature": 1.0, "text": {"format": {"type": "json_schema", "name": "s",
    "schema": {"maximum": 1E400}}, "verbosity": "high"}, "tool_choice": "auto",
 "tools": [{"type": "web_search"}, {"type": "mcp", "server_url": "https://example.org/mcp"}],
 "top_logprobs": 0, "top_p": 0.90, "truncation": "disabled", "context_management": [{"type": "compaction",
    "compact_threshold": 200000}], "moderation": null, "image": {"n": 1}, "access_programs": [],
 "safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
 "prompt_cache_options": {}, "user": "u", "verbosity_of_ours": 0.30000000000000004}"""

REQUESTS = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/responses": RESPONSES,
}

CHAT_ANSWER = (
    r"""{
  "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000.0, "model": "theirs-2026-01-01",
  "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "cut \ud83d", "refusal": null,
      "annotations": []}, "finish_reason": "length", "logprobs": {"content": [
      {"token": "\u00e9", "logprob": -9999.0, "bytes": [195, 169], "top_logprobs": [
        {"token": "é", "logprob": -1.9361264946837764e-07, "bytes": null}]}], "refusal": null}},
    {"index": 1, "message": {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1",
      "type": "function", "function": {"name": "weather", "arguments": "{\n  \"city\": \"K\u00f6ln\"\n}"}}]},
      "finish_reason": "tool_calls", "logprobs": null},
    {"index": 2, "message": {"role": "assistant", "content": "{\"b\": 0.10, \"a\": null}"},
      "finish_reason": "stop"}],
  "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30, "cost": 0.00012300,
    "prompt_tokens_details": {"cached_tokens": 0}}, "service_tier": "flex", "system_fingerprint": "fp",
  "": "", "unknown": {"z": 123456789012345678901234567890, "a": -0, "e": 1E400, "odd"  :  [ 1 ,2]},
  "raw": "你好 😀 """
    + "\u2028\u2029\u0085\x7f"
    + r""" \/ \u0000", "twice": 1, "twice": 2
}
"""
).replace("\n    {", "\r\n    {")

COMPLETIONS_ANSWER = r"""{"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m",
"choices": [{"index": 0, "text": "a\nb\ud83d", "finish_reason": "stop", "logprobs": {"tokens": ["a", "\n"],
"token_logprobs": [null, -0.00], "top_logprobs": [null, {"\ud83d": -9999.0}], "text_offset": [0, 1]}},
{"index": 1, "text": "", "finish_reason": "length", "logprobs": null}],
"usage": {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}}"""

EMBEDDINGS_ANSWER = (
    "\ufeff"
    r"""{"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="},
{"object": "embedding", "index": 1, "embedding": [0.0023064255, -9.327292e-05, 1, -0.012345678901234567]}],
"model": "m", "usage": {"prompt_tokens": 4, "total_tokens": 4}}"""
)

RESPONSES_ANSWER = r"""{"id": "resp_1", "object": "response", "created_at": 1741476777.0,
"status": "completed", "error": null, "incomplete_details": null, "model": "m", "output": [
 {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAABo+/==", "status": null},
 {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"n\":12345678901234567890123}"},
 {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
  {"type": "output_text", "text": "{\"b\": 1}", "annotations": [], "logprobs": []}]}],
"parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 0.90,
"usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
"output_tokens": 6, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 11}, "metadata": {}}"""

ANSWERS = {
    "/v1/chat/completions": CHAT_ANSWER,
    "/v1/completions": COMPLETIONS_ANSWER,
    "/v1/embeddings": EMBEDDINGS_ANSWER,
    "/v1/responses": RESPONSES_ANSWER,
}
