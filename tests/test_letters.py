"""Names are written in a font that has their letters, or as numbers; never as boxes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import fontManager

from minibert.plots.letters import _family_with, families, short, write_as_it_is, written
from minibert.plots.panels import new_figure

CHINESE = ["好评", "差评"]


def small_font(path: Path, letters: str) -> None:
    """Write a font whose letters are squares."""
    pen = TTGlyphPen(None)
    for i, point in enumerate([(100, 0), (100, 700), (800, 700), (800, 0)]):
        (pen.lineTo if i else pen.moveTo)(point)
    pen.closePath()
    glyphs = [".notdef", *(f"uni{ord(letter):04X}" for letter in letters)]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(glyphs)
    font.setupCharacterMap({ord(letter): name for letter, name in zip(letters, glyphs[1:], strict=True)})
    font.setupGlyf({name: pen.glyph() for name in glyphs})
    font.setupHorizontalMetrics({name: (900, 100) for name in glyphs})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "Small Squares", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=800, sTypoDescender=-200, usWinAscent=800, usWinDescent=200)
    font.setupPost()
    font.save(path)


@pytest.fixture
def no_other_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine that has none but matplotlib's own fonts."""
    own = [entry for entry in fontManager.ttflist if "mpl-data" in entry.fname]
    assert any("Last Resort" in entry.name for entry in own) or own
    monkeypatch.setattr(fontManager, "ttflist", own)
    _family_with.cache_clear()
    yield
    _family_with.cache_clear()


def test_latin_letters_are_in_the_usual_font() -> None:
    assert families(["naïve", "a b\nc", "…", "$5"]) == ["DejaVu Sans"]
    assert written(["naïve", "a  b\nc"], 10) == ["naïve", "a b c"]


def test_where_no_font_has_the_letters_numbers_stand_for_the_names(no_other_fonts: None) -> None:
    assert families(CHINESE) is None
    assert written([*CHINESE, "neutral"], 10) == ["1", "2", "3"]
    assert written(["neutral"], 10) == ["neutral"]


def test_a_font_that_has_the_letters_is_found_and_used(
    no_other_fonts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_font(tmp_path / "squares.ttf", "好差评")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(tmp_path / "squares.ttf")
    assert families(CHINESE) == ["DejaVu Sans", "Small Squares"]
    assert families(["好评", "unknown 爱"]) is None
    assert written(CHINESE, 10) == CHINESE
    figure, panels = new_figure([2.0])
    label = panels[0, 0].text(0.5, 0.5, "a 好评")
    write_as_it_is([label])
    figure.canvas.draw()  # a missing glyph would be a warning, which is an error here
    assert label.get_fontfamily() == ["DejaVu Sans", "Small Squares"]


def test_a_font_whose_file_is_gone_is_passed_over(
    no_other_fonts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_font(tmp_path / "squares.ttf", "好差评")
    monkeypatch.setattr(fontManager, "ttflist", list(fontManager.ttflist))
    fontManager.addfont(tmp_path / "squares.ttf")
    (tmp_path / "squares.ttf").unlink()
    assert families(CHINESE) is None


def test_dollar_signs_begin_no_formula() -> None:
    figure, panels = new_figure([2.0])
    label = panels[0, 0].text(0.5, 0.5, r"$\frac$ and $x$")
    write_as_it_is([label])
    figure.canvas.draw()  # the formula is wrong: read as one it would be an error
    assert label.get_text() == r"$\frac$ and $x$" and not label.get_parse_math()


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert short("bert-tiny", 9) == "bert-tiny"
    assert short("bert-tiny-on-sotu", 8) == "ber…sotu"
    assert written(["comp.sys.ibm.pc", "comp.sys.mac"], 10) == ["comp….ibm.pc"[:4] + "…bm.pc", "comp…s.mac"]
