"""The markup of MediaWiki -> the prose in it."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibert.text.wikitext import clean, drop_unread


@pytest.mark.parametrize(
    ("markup", "prose"),
    [
        # links
        ("A [[bee]] and [[bee|bees]], [[Bee (insect)|the bee]]s.", "A bee and bees, the bees."),
        ("[[Star Trek: Voyager]] and [[Star Trek: Voyager|it]].", "Star Trek: Voyager and it."),
        ("An [[ant|x|ant too]].", "An ant too."),
        ("See [[:Category:Bees]] or [[:Category:Bees|these]].", "See Category:Bees or these."),
        ("A bee.[[Category:Bees|x]]\n[[fr:Abeille]]\n[[zh-min-nan:Phang]][[simple:Bee]]", "A bee."),
        ("[[Image:a.png|thumb|A [[bee|busy bee]] [sic] [http://a.b c]]]A bee.", "A bee."),
        ("[[File:a.png]]A [[image:b.png|x|[[Image:c.png|y]] z]]bee.", "A bee."),
        ("See [http://a.org/?x=1 the site], [http://a.org] and http://a.org/x.", "See the site, and"),
        ("Write [mailto:a@b.org to us].", "Write to us."),
        ("A [[broken link and a [broken] one]] too.", "A broken link and a [broken] one too."),
        ("Half [[a link.", "Half a link."),
        # templates and tables
        ("A {{x|y={{z}}|w}}bee {{lang|fr|abeille}} {{IPA|/biː/}}.", "A bee abeille /biː/."),
        ('A bee.\n{| class="x"\n|-\n| a || {{b}}\n{|\n| nested\n|}\n|}\nIt flies.', "A bee.\n\nIt flies."),
        ("{{Infobox\n| name = bee\n|}}A bee.", "A bee."),
        ("{{Infobox|\n{|\n| x\n|}}}A bee.", "A bee."),
        ("Half {{a template.", "Half a template."),
        ("A bee.\n|-\n| left || of a table\n! a head\nIt flies.", "A bee.\nIt flies."),
        ("<table><tr><td>x</td></tr></table>A bee.", "A bee."),
        # what is no prose
        ("A <!-- silent\nand <b>long</b> --> bee.", "A bee."),
        ("A bee<ref>Moss, p. 4.</ref><ref name=x /> flies<ref name=y>\nz</ref>.", "A bee flies."),
        ("It is <math>x<y</math>, or <MATH>\\frac{a}{b}</MATH>.", "It is, or."),
        ("<gallery>\na.png|A bee\n</gallery>A bee.<pre>\nx = {{1}}\n</pre>", "A bee."),
        ("The program:\n x = 1\n if x:\nruns.", "The program:\nruns."),
        ("__NOTOC__\nA bee.\n----\nIt flies. ~~~~", "A bee.\nIt flies."),
        # what is
        ("'''A''' ''bee'' is ''''quick''''.", "A bee is quick."),
        (
            "H<sub>2</sub>O, m<sup>2</sup>, 10<sup>-6</sup>, <br/>x<br>y<small>z</small>",
            "H2O, m2, 10^-6, xyz",
        ),
        ("1 &lt; 2 &amp; 3&nbsp;&mdash;&nbsp;x &#233;", "1 < 2 & 3 — x é"),
        ("The command (()) and f(x(y)).", "The command and f(x(y))."),
        ("If a < b and c > d, it is.", "If a < b and c > d, it is."),
        ("* one\n** two\n# three\n:four\n; five", "one\n\ntwo\n\nthree\n\nfour\n\nfive"),
        ("One.\n* 1990\n* –\n* two", "One.\n\ntwo"),
        ("A bee (''{{lang-fr|}}''; {{IPA|x}}) is ({{y}}) small ( , red ).", "A bee (x) is small (red)."),
        ("One.\nStill one.\n\n\n\nTwo.", "One.\nStill one.\n\nTwo."),
    ],
)
def test_markup_becomes_prose(markup: str, prose: str) -> None:
    assert clean(markup) == prose


def test_headings_stand_alone_and_those_over_nothing_go() -> None:
    markup = """A bee.
== Life ==
=== Birth ===
It is born.
=== Death ===
{{stub}}
==Work==
It works.
== See also ==
* [[Ant]]
* '''[[Wasp|wasps]]'''
== Links ==
* [http://a.org Bees of the world] and more
=== Other links ===
* http://a.org
"""
    assert clean(markup) == "A bee.\n\nLife\n\nBirth\n\nIt is born.\n\nWork\n\nIt works."


def test_a_list_item_that_says_something_stays() -> None:
    assert clean("* [[Ant]]\n* [[Ant]], a relative\n* the [[wasp]]") == "Ant, a relative\n\nthe wasp"


def test_hidden_namespaces_may_have_other_names() -> None:
    assert clean("[[Datei:x.png|Bild]]Es [[Kategorie:W]]regnet.", ["Datei", "Kategorie"]) == "Es regnet."


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a{{b}}c", "ac"),
        ("a{{b{{c}}d{{e}}f}}g{{h}}i", "agi"),
        ("a}}b{{c", "a}}b{{c"),
        ("a{{b{{c}}d", "a{{bd"),
        ("a\n{|b|}c", "a\nc"),
        ("a{|b|}c", "a{|b|}c"),
        ("a\n{|b{{c|}d}}e", "a\nd}}e"),
        ("{{a|}}b", "b"),
        ("a<ref>b<ref/>{{</ref>c}}", "ac}}"),
        ("a<ref x=y/>b<br/><math>c<MATH>d</math>", "ab<br/><math>c"),
        ("a<!-- b <!-- c -->d --> e", "ad --> e"),
        ("\n{{a}}  b {{c}} d", "\nb  d"),
        ("\n{|{{a|}}|}b", "\nb"),
    ],
)
def test_templates_and_tables_go_whole(text: str, kept: str) -> None:
    assert drop_unread(text) == kept


MARKS = ["a", " ", "\n", ".", "|", "=", "*", ":", "[", "]", "{", "}", "'", "<", ">", "!", "-", "(", ")", "&"]
MARKS += ["[[", "]]", "{{", "}}", "{|", "|}", "<ref>", "</ref>", "<ref/>", "<!--", "-->", "http://x", "b"]


@given(st.lists(st.sampled_from(MARKS)))
def test_no_markup_breaks_the_cleaning(marks: list[str]) -> None:
    text = clean("".join(marks))
    assert text == text.strip()
    assert not any(mark in text for mark in ("[[", "]]", "{{", "}}", "\n\n\n"))


@given(st.lists(st.sampled_from(["The bee flies.", "No.", "Why? (Nobody knows.)"]), min_size=1))
def test_plain_prose_stays_as_it_is(paragraphs: list[str]) -> None:
    assert clean("\n\n".join(paragraphs)) == "\n\n".join(paragraphs)


@pytest.mark.parametrize(
    "mark",
    [
        "{{",
        "}}",
        "[[",
        "]]",
        "[[a|",
        "[http://x ",
        "\n{|",
        "|}",
        "\n=",
        "'",
        "(",
        "\n*",
        "\n ",
        "<",
        "{{ |}",
        "- ",
    ],
)
def test_a_page_of_one_mark_is_cleaned_in_linear_time(mark: str) -> None:
    start = time.process_time()
    clean(mark * 50_000)
    clean(mark * 50_000 + "end")
    assert time.process_time() - start < 2


def test_cleaning_is_fast() -> None:
    """Ten times slower than measured: a slip to quadratic time is what this finds."""
    words = (
        "The [[bee]] is a '''flying''' [[insect|animal]] (see {{ref|1}}), it [http://a.org is].\n\n== It ==\n"
    )
    text = "".join(random.Random(0).choices(words.split(" "), k=200_000)).replace("\n\n", "\n\n* x ")
    start = time.process_time()
    clean(text)
    assert len(text) / (time.process_time() - start) > 1e6
