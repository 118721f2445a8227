"""A server that speaks the protocols of LLM providers, with latency and faults on demand."""
