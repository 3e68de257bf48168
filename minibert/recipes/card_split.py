"""The split of a data card: made once, committed as hashes, and the same whenever it is made again."""

from minibert import sources
from minibert.config import require
from minibert.recipes.labelled_data import amount, find
from minibert.sources.splits import Split
from minibert.text.columns import Columns
from minibert.text.dividing import divide, strata
from minibert.text.duplicates import group, key


def card_split(name: str, shares: tuple[float, float] = (0.1, 0.1), seed: int = 0) -> str:
    """Return the split of a data card as its file says it.

    Every part is divided by itself (parts with one name are one), of each label its share. What is the same
    or nearly is on one side.

    Raises ValueError where a text of one part is nearly one of another: they cannot be divided apart.
    """
    names = dict.fromkeys(part.name for part in sources.card(name).parts if part.label)
    texts, parts = [], []
    for part in names:
        its = find([f"{name}:{part}" if part else name], Columns()).texts
        texts += its
        parts += [part] * len(its)
    groups = group([text.whole for text in texts]).numbers.tolist()
    across = [row for row, number in enumerate(groups) if parts[row] != parts[number]]
    require(not across, f"{name}: {amount(len(across))} are nearly the same as one of another part")

    keys, sides = [], []
    for part in names:
        rows = [row for row, its in enumerate(parts) if its == part]
        own = [key(texts[row].whole) for row in rows]
        labels = strata([texts[row].label for row in rows])
        keys += own
        sides += divide(own, labels, [groups[row] for row in rows], shares, seed)
    return Split.of(keys, sides).written(
        f"{name}: which texts are for validation ({shares[0]:.0%}) and for the test ({shares[1]:.0%}).\n"
        f"Each part is divided by itself, of each label its share, with seed {seed}. Texts that are\n"
        "the same or nearly are on one side. A text is known by the first digits of the sha256 of it\n"
        f"in lower case and with single spaces. Made by minibert.recipes.card_split.card_split({name!r})."
    )
