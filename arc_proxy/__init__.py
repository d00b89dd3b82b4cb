"""A sidecar proxy for LLM agents. Importing the package costs nothing and brings nothing else in."""

__version__ = "0.1.0"
