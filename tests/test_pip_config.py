"""pip's configuration: read through pip, variables over files."""

import os
import subprocess
from pathlib import Path

import pytest

from minibert.sources import pip_config
from minibert.sources.pip_config import PipConfig, interpret, read_pip_config, settings


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def test_variables_come_before_files_and_commands_before_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://one.example/simple\nproxy = http://proxy:1\ncert = /all.pem\n"
        "find-links =\n    /wheels\n    https://two.example/links\nno-index = false\n"
        "[download]\ncert = /mine.pem\ntimeout = 5\n[list]\nproxy = http://other:2\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:it's@three.example/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "three.example four.example:8080")
    monkeypatch.setenv("PIP_TIMEOUT", "60")
    monkeypatch.setenv("PIP_CLIENT_CERT", "/ours.pem")
    assert read_pip_config() == PipConfig(
        index_url="https://user:it's@three.example/simple",
        find_links=("/wheels", "https://two.example/links"),
        trusted_hosts=("three.example", "four.example:8080"),
        proxy="http://proxy:1",
        cert="/mine.pem",
        client_cert="/ours.pem",
        timeout=60.0,
    )


def test_a_file_called_pip_in_the_working_folder_is_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("open('sprung', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", "https://one.example/simple")
    assert read_pip_config().index_url == "https://one.example/simple"
    assert not (tmp_path / "sprung").exists()


def test_without_pip_the_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "No module named pip")
    monkeypatch.setattr(pip_config.subprocess, "run", lambda *given, **named: failed)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://one.example/simple https://two.example/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    config = read_pip_config()
    assert config.extra_index_urls == ("https://one.example/simple", "https://two.example/simple")
    assert config.no_index


def test_nothing_set_is_pip_s_default() -> None:
    assert interpret({}) == PipConfig()
    assert interpret({"default-timeout": "30"}).timeout == 30
    assert interpret({"timeout": "5", "default-timeout": "30"}).timeout == 5


def test_the_listing_of_pip_is_understood() -> None:
    listing = ":env:.index-url='https://b'\nglobal.index-url='https://a'\nfreeze.proxy='p'\nnoise\n"
    listing += "install.cert=\"it's\"\nglobal.cert='c'\n"
    assert settings(listing) == {"index-url": "https://b", "cert": "it's"}
