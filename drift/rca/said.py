"""What features and settings are called in a report."""

FEATURES = {
    "prompt_characters": ("Length of the prompts", "characters"),
    "response_characters": ("Length of the answers", "characters"),
    "input_tokens": ("Tokens of the requests", ""),
    "output_tokens": ("Tokens of the answers", ""),
    "tokens_per_second": ("Speed", "tokens/s"),
    "first_chunk_seconds": ("Time to the first chunk", "s"),
    "duration_seconds": ("Duration", "s"),
    "code_share": ("Share of code in the answers", "%"),
    "list_share": ("Share of list lines in the answers", "%"),
    "markdown_share": ("Share of markdown lines in the answers", "%"),
    "repetition": ("Repetition within the answers", "%"),
    "refusal": ("Answers that decline", ""),
    "json": ("Answers that hold JSON", ""),
    "json_valid": ("Answers in valid JSON where it was asked for", ""),
    "tool_call": ("Answers that call a tool", ""),
    "truncated": ("Answers cut off at their token limit", ""),
    "finish_reason": ("Reason why answers end", ""),
    "language": ("Language of the answers", ""),
    "prompt_language": ("Language of the prompts", ""),
}
"""Name -> what it is, and the unit of its mean; of a boolean, what its share counts."""

SETTINGS = {
    "model": "Model that requests name",
    "response_model": "Model named in the answers",
    "digest": "Digest of the model in Ollama",
    "weights": "Digest of the model's weights in Ollama",
    "ollama_parameters": "Parameters of the model in Ollama",
    "ollama_template": "Prompt template of the model in Ollama (digest)",
    "ollama_system": "System prompt of the model in Ollama (digest)",
    "system": "System prompt (digest)",
    "max_tokens": "Token limit of the requests (max_tokens)",
    "max_completion_tokens": "Token limit of the requests (max_completion_tokens)",
    "num_predict": "Token limit of the requests (num_predict)",
    "response_format": "Format that requests ask for",
}
"""Setting -> what it is; others are called by their name."""
