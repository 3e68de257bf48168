"""The headers of the chapters: number and title, question, files, what each needs, minutes to read."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Header:
    """What the first cell of a chapter says."""

    path: Path
    title: str
    question: str
    files: list[str]
    needs: list[str]  # the notebooks that it links to
    minutes: int

    @property
    def row(self) -> str:
        """The chapter's row in the table of the front page."""
        number, title = self.title.split(" · ")
        needs = ", ".join(needed[:2] for needed in self.needs) or "—"
        return (
            f"| {number} | [{title}]({self.path.stem}.ipynb) | {self.question} | {needs} | {self.minutes} |"
        )


def read_header(path: Path) -> Header:
    """Read the first Markdown cell of a source."""
    cell = path.read_text(encoding="utf-8").split("# %%")[1]
    text = re.sub(r"^# ?", "", cell, flags=re.MULTILINE)

    def find(pattern: str) -> str:
        found = re.search(pattern, text, flags=re.MULTILINE | re.DOTALL)
        assert found, f"{path.name}: its first cell has nothing that looks like {pattern}"
        return " ".join(found[1].split())

    return Header(
        path=path,
        title=find(r"^# (.*?)$"),
        question=find(r"^\*([^*]*)\*$"),
        files=re.findall(r"`([^`]+)`", find(r"\*\*Files:\*\*(.*?)\n\n")),
        needs=re.findall(r"\(([^)]+\.ipynb)\)", find(r"\*\*Needs:\*\*(.*?)\n\n")),
        minutes=int(find(r"\*\*Time:\*\* (\d+) minutes")),
    )


HEADERS = [read_header(path) for path in sorted((ROOT / "chapters").glob("[0-9][0-9]_*.py"))]
