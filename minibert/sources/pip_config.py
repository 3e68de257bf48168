"""Where pip looks for packages: its configuration files and PIP_... variables, read through pip itself."""

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass

SECTIONS = ("global", "install", "download", ":env:")
"""Sections of the configuration; a later one is preferred."""


@dataclass(frozen=True)
class PipConfig:
    """The settings that decide which index is asked, and how."""

    index_url: str = ""
    """Empty: pip's default index."""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Folders or pages of archives."""
    no_index: bool = False
    """Whether find_links alone are asked."""
    trusted_hosts: tuple[str, ...] = ()
    proxy: str = ""
    cert: str = ""
    """File or folder of the certificates to trust."""
    client_cert: str = ""
    """File with our own certificate and its key."""
    timeout: float = 15.0
    """Seconds without an answer."""


def read_pip_config() -> PipConfig:
    """Return what `pip config list` says; without pip, what the PIP_... variables say."""
    # -P: a file called pip.py in the working folder is not taken for pip.
    command = [sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return interpret(settings(done.stdout))
    variables = {name[4:].lower(): value for name, value in os.environ.items() if name.startswith("PIP_")}
    return interpret({name.replace("_", "-"): value for name, value in variables.items()})


def settings(listing: str) -> dict[str, str]:
    """Return {name: value} from the lines SECTION.NAME='VALUE' of `pip config list`."""
    rows = re.findall(r"^([\w:-]+)\.([\w-]+)=(.*)$", listing, flags=re.MULTILINE)
    found = {section: {} for section in SECTIONS}
    for section, name, value in rows:
        found.setdefault(section, {})[name.replace("_", "-")] = str(ast.literal_eval(value))
    return {name: value for section in SECTIONS for name, value in found[section].items()}


def interpret(values: dict[str, str]) -> PipConfig:
    """Return the settings that we use; lists are separated by white space, as pip has it."""

    def words(name: str) -> tuple[str, ...]:
        return tuple(values.get(name, "").split())

    return PipConfig(
        index_url=values.get("index-url", ""),
        extra_index_urls=words("extra-index-url"),
        find_links=words("find-links"),
        no_index=values.get("no-index", "").lower() in ("1", "true", "t", "yes", "y", "on"),
        trusted_hosts=words("trusted-host"),
        proxy=values.get("proxy", ""),
        cert=values.get("cert", ""),
        client_cert=values.get("client-cert", ""),
        timeout=float(values.get("timeout") or values.get("default-timeout") or PipConfig.timeout),
    )
