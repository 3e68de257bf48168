"""A MediaWiki dump -> its articles."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from minibert.text import reading, wiki
from minibert.text.wiki import read_articles

HEAD = """<mediawiki xml:lang="de">
  <siteinfo>
    <namespaces>
      <namespace key="-2">Medium</namespace>
      <namespace key="-1">Spezial</namespace>
      <namespace key="0" />
      <namespace key="1" case="first-letter">Diskussion</namespace>
      <namespace key="6">Datei</namespace>
      <namespace key="14">Kategorie</namespace>
    </namespaces>
  </siteinfo>
"""


def page(title: str, text: str, more: str = "", attributes: str = 'xml:space="preserve"') -> str:
    return (
        f"  <page>\n    <title>{title}</title>\n{more}    <revision>\n"
        f"      <comment>a &lt;text&gt; of a comment</comment>\n"
        f"      <text {attributes}>{text}</text>\n    </revision>\n  </page>\n"
    )


def write(folder: Path, *pages: str, name: str = "dump.xml") -> Path:
    path = folder / name
    text = (HEAD + "".join(pages) + "</mediawiki>\n").encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


RAIN = page(
    "Rain &amp; Snow",
    "'''Rain''' falls &amp;mdash; &quot;often&quot;: 1 &amp;lt; 2 &lt;b&gt;drops&lt;/b&gt;.",
)


@pytest.mark.parametrize("size", [4, 100, 1 << 18])
@pytest.mark.parametrize("name", ["dump.xml", "dump.xml.gz", "enwik8"])
def test_articles_are_read_with_both_layers_of_entities_undone(tmp_path: Path, size: int, name: str) -> None:
    path = write(tmp_path, RAIN, page("Sun", "It shines."), name=name)
    with mock.patch.object(reading, "BLOCK", size):
        assert list(read_articles(path)) == [
            ("Rain & Snow", 'Rain falls — "often": 1 < 2 drops.'),
            ("Sun", "It shines."),
        ]


def test_only_articles_are_kept(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        page("Old", "#REDIRECT [[New]]"),
        page("old", "\n#redirect [[New]]"),
        page("Alt", "#WEITERLEITUNG [[Neu]]", more='    <redirect title="Neu" />\n'),
        page("Diskussion:Rain", "Is this so?"),
        page("Kategorie:Rain", "A category."),
        page("Nothing", "{{stub}}"),
        page("Gone", "", attributes='bytes="0" /'),
        page("Entwurf:Rain", "A draft.", more="    <ns>118</ns>\n"),
        page("Star Trek: Voyager", "A ship.", more="    <ns>0</ns>\n", attributes='bytes="7" sha1="x"'),
        "  <page><title>Without text</title></page>\n",
    )
    assert list(read_articles(path)) == [("Star Trek: Voyager", "A ship.")]


def test_pictures_and_categories_are_known_in_the_wikis_language(tmp_path: Path) -> None:
    path = write(
        tmp_path, page("Regen", "[[Datei:x.jpg|mini|Ein [[Tropfen]]]]Es regnet.\n[[Kategorie:Wetter]]")
    )
    assert list(read_articles(path)) == [("Regen", "Es regnet.")]


def test_a_dump_that_was_cut_off_gives_its_whole_pages(tmp_path: Path) -> None:
    path = write(tmp_path, RAIN, page("Sun", "It shines."))
    text = path.read_text()
    path.write_text(text[: text.index("shines")])
    assert [title for title, _ in read_articles(path)] == ["Rain & Snow"]


def test_a_file_without_pages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "letter.xml"
    path.write_text("Dear reader, " * 10)
    with pytest.raises(ValueError, match=r"letter\.xml is no dump of MediaWiki: .* got 'Dear reader, "):
        list(read_articles(path))

    monkeypatch.setattr(wiki, "LONGEST_PAGE", 50)
    counts: list[int] = []
    with mock.patch.object(reading, "BLOCK", 20), pytest.raises(ValueError, match="is no dump of MediaWiki"):
        list(read_articles(path, counts.append))
    assert counts == [40, 20, 20]  # it does not read on; one block is read ahead


MANY_PAGES = """
import resource, sys
from pathlib import Path
from minibert.text.wiki import read_articles

used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
print(sum(len(text) for _, text in read_articles(Path(sys.argv[1]))))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not enforce RLIMIT_AS")
def test_a_dump_of_100_megabytes_is_read_in_little_memory(tmp_path: Path) -> None:
    prose = "It falls on the [[field|fields]] and {{small|nowhere}} else. " + "Very often. " * 20
    one = page("Rain", prose * 100)
    count = (100 << 20) // len(one)
    path = tmp_path / "dump.xml"
    with open(path, "w") as file:
        for _ in range(count):
            file.write(one)
    done = subprocess.run(
        [sys.executable, "-c", MANY_PAGES, str(path)], capture_output=True, text=True, check=True
    )
    clean = len(("It falls on the fields and else. " + "Very often. " * 20) * 100) - 1
    assert json.loads(done.stdout) == clean * count
