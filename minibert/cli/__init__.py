"""The commands: parse the words, call a recipe, print what it gives."""

from minibert.cli.command_line import main, parse

__all__ = ["main", "parse"]
