"""Finding an archive: on indexes and in folders, in pip's order, of the right name and sha256."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from indexes import Index, card_of, only_index, sdist, serve, sha256, wheel

from minibert.sources import Card
from minibert.sources.index import connect, fetch_archive, find
from minibert.sources.pip_config import PipConfig


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    only_index(monkeypatch)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "archives").mkdir()
    sdist(tmp_path / "archives")
    wheel(tmp_path / "archives")
    with serve(tmp_path / "archives") as index:
        yield index


@pytest.fixture
def card(index: Index) -> Card:
    return card_of(index.folder / "storybook-1.0.tar.gz")


def found(card: Card, **settings) -> str:
    config = PipConfig(**settings)
    with connect(config) as session:
        return find(card, session, config).url_without_fragment


def closed_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/simple/"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("tells", [False, True])
def test_the_card_s_archive_is_found_among_others(
    as_json: bool, tells: bool, index: Index, card: Card
) -> None:
    index.as_json, index.tells_sha256 = as_json, tells
    assert found(card, index_url=index.url).endswith("/files/storybook-1.0.tar.gz")
    of_wheel = card_of(index.folder / "storybook-1.0-py3-none-any.whl")
    assert found(of_wheel, index_url=index.url).endswith("/files/storybook-1.0-py3-none-any.whl")


def test_a_folder_of_archives_will_do(index: Index, card: Card) -> None:
    place = str(index.folder)
    assert found(card, no_index=True, find_links=("/nowhere", place)).endswith("/storybook-1.0.tar.gz")
    assert index.asked == []


def test_an_index_on_the_disk_will_do(index: Index, card: Card, tmp_path: Path) -> None:
    page = tmp_path / "simple" / "storybook"
    page.mkdir(parents=True)
    (page / "index.html").write_text('<a href="../../archives/storybook-1.0.tar.gz">it</a>')
    for place in (str(tmp_path / "simple"), (tmp_path / "simple").as_uri()):
        assert found(card, index_url=place).endswith("/archives/storybook-1.0.tar.gz")


def test_an_index_out_of_reach_hides_no_other(index: Index, card: Card) -> None:
    assert found(card, index_url=closed_port(), extra_index_urls=(index.url,)).startswith("http://127.0.0.1")


def test_a_file_whose_sha256_is_told_to_be_another_is_passed_over(
    index: Index, card: Card, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / card.archive).write_bytes(b"something else")
    with serve(tmp_path / "other") as other:
        url = found(card, index_url=other.url, extra_index_urls=(index.url,))
        assert url.startswith(index.url.removesuffix("simple/"))
        assert len(other.asked) == 1


def test_what_each_place_answered_is_told(index: Index, card: Card, caplog: pytest.LogCaptureFixture) -> None:
    wanted = replace(card, archive="storybook-1.0.zip")
    with pytest.raises(ValueError, match=r"storybook-1\.0\.zip.*is on no index") as lost:
        found(wanted, index_url=index.url, extra_index_urls=(index.url + "no/", closed_port()))
    assert "has storybook-1.0-py3-none-any.whl, storybook-1.0.tar.gz" in str(lost.value)
    assert "Client Error(404)" in str(lost.value)
    assert "refused" in str(lost.value)
    assert caplog.text == ""  # it is in the message, not beside it
    with pytest.raises(ValueError, match="has no such version"):
        found(replace(card, source="storybook==2.0"), index_url=index.url)
    with pytest.raises(ValueError, match="Asked: none"):
        found(card, no_index=True)


def test_a_plain_http_index_is_asked_only_if_its_host_is_trusted(card: Card) -> None:
    with pytest.raises(ValueError, match=r"Skipping http://index\.invalid.* for not being trusted"):
        found(card, index_url="http://index.invalid/simple/")
    with pytest.raises(ValueError, match=r"Asked: http://index\.invalid") as lost:
        found(card, index_url="http://index.invalid/simple/", trusted_hosts=("index.invalid",))
    assert "trusted" not in str(lost.value)


def test_the_password_in_the_address_is_used_and_not_shown(index: Index, card: Card, tmp_path: Path) -> None:
    index.password = "hidden"
    url = index.url.replace("//", "//user:hidden@")
    config = PipConfig(index_url=url)
    with connect(config) as session:
        link = find(card, session, config)
        assert session.get(link.normalized).status_code == 200
    with pytest.raises(ValueError, match=r"Client Error\(401\)") as refused:
        found(card, index_url=index.url.replace("//", "//user:wrong@"))
    assert "wrong" not in str(refused.value)


def test_proxy_and_certificates_are_those_of_pip(
    index: Index, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = index.url.removesuffix("simple/")
    with pytest.raises(ValueError, match="is on no index"):
        found(card, index_url="http://127.0.0.9:1/simple/", proxy=proxy)
    assert index.asked[0][0] == "http://127.0.0.9:1/simple/storybook/"  # the proxy is asked for the page

    made = []
    monkeypatch.setattr(ssl, "create_default_context", lambda **given: made.append(given) or True)
    (tmp_path / "some.pem").touch()
    connect(PipConfig(cert=str(tmp_path / "some.pem"))).close()
    connect(PipConfig(cert=str(tmp_path))).close()
    asked = [given for given in made if "capath" in given]
    assert asked == [
        {"cafile": str(tmp_path / "some.pem"), "capath": None},
        {"cafile": None, "capath": str(tmp_path)},
    ]


def test_a_mirror_that_sends_elsewhere_is_followed(index: Index, card: Card) -> None:
    assert found(card, index_url=index.url.replace("/simple/", "/mirror/")).endswith(card.archive)


def test_a_missing_certificate_file_is_named() -> None:
    for config in (PipConfig(cert="/no.pem"), PipConfig(client_cert="/no.pem")):
        with pytest.raises(ValueError, match=r"certificates in /no\.pem, which is not there"):
            connect(config)


def test_an_archive_is_fetched_verified_unpacked_and_cleared_away(
    index: Index, card: Card, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_index(monkeypatch, index.url)
    folder = fetch_archive(card, tmp_path / "work")
    assert sha256((folder / "storybook/texts/two.txt").read_bytes()) == sha256(b"The second text.\n")
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["files"]
