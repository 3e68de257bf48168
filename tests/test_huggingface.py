"""Data sets of the hub, from repositories that the test builds in the same form on the disk."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import datasets.config
import pytest
from datasets import ClassLabel, Features, List, Value

from minibert.sources import Card, CardPart
from minibert.sources.huggingface import fetch_dataset

HAPPY = ClassLabel(names=["sad", "happy"])
TAGS = ClassLabel(names=["O", "B-PER", "I-PER"])


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def repository(folder: Path, subset: str, splits: dict[str, dict[str, list]], features: Features) -> Path:
    """Write a repository as the hub has them: SUBSET/SPLIT-*.parquet, told in README.md."""
    (folder / subset).mkdir(parents=True)
    for split, columns in splits.items():
        rows = datasets.Dataset.from_dict(columns, features=features)
        rows.to_parquet(folder / subset / f"{split}-00000-of-00001.parquet")
    readme = folder / "README.md"
    told = readme.read_text().removesuffix("---\n") if readme.exists() else "---\nconfigs:\n"
    told += f"- config_name: {subset}\n  data_files:\n"
    told += "".join(f"  - split: {split}\n    path: {subset}/{split}-*\n" for split in splits)
    readme.write_text(told + "---\n")
    return folder


def card(place: Path, subset: str = "") -> Card:
    return Card(
        name="reviews",
        title="Reviews",
        language="en",
        size="few",
        license="ours",
        citation="ours",
        url="https://example.org",
        parts=(CardPart(("train.jsonl",), "table"),),
        repository=str(place),
        subset=subset,
    )


def fetched(place: Path, work: Path, subset: str = "") -> dict[str, list[Any]]:
    folder = fetch_dataset(card(place, subset), work)
    return {
        path.name: [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
        for path in sorted(folder.iterdir())
    }


def test_each_split_becomes_a_file_and_classes_are_written_by_name(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": HAPPY})
    train = {"text": ["A fine day.", "Très 悲しい\u2028day.\n"], "label": [1, 0]}
    place = repository(
        tmp_path / "repo", "default", {"train": train, "test": {"text": ["?"], "label": [-1]}}, features
    )
    assert fetched(place, tmp_path / "work") == {
        "train.jsonl": [
            {"text": "A fine day.", "label": "happy"},
            {"text": "Très 悲しい\u2028day.\n", "label": "sad"},
        ],
        "test.jsonl": [{"text": "?", "label": None}],
    }


def test_the_file_can_be_read_by_people(tmp_path: Path) -> None:
    features = Features({"text": Value("string")})
    place = repository(tmp_path / "repo", "default", {"train": {"text": ["悲しい"]}}, features)
    folder = fetch_dataset(card(place), tmp_path / "work")
    assert (folder / "train.jsonl").read_text(encoding="utf-8") == '{"text": "悲しい"}\n'


def test_the_subset_that_the_card_names_is_taken(tmp_path: Path) -> None:
    features = Features({"text": Value("string")})
    repository(tmp_path / "repo", "small", {"train": {"text": ["few"]}}, features)
    place = repository(tmp_path / "repo", "large", {"train": {"text": ["many", "more"]}}, features)
    assert fetched(place, tmp_path / "one", "small") == {"train.jsonl": [{"text": "few"}]}
    assert fetched(place, tmp_path / "two", "large") == {"train.jsonl": [{"text": "many"}, {"text": "more"}]}


def test_tags_of_words_and_answers_of_questions_keep_their_shape(tmp_path: Path) -> None:
    features = Features(
        {
            "tokens": List(Value("string")),
            "tags": List(TAGS),
            "answers": {"text": List(Value("string")), "answer_start": List(Value("int32"))},
            "marks": List({"kind": TAGS, "at": Value("int32")}),
            "pair": {"left": HAPPY, "right": HAPPY},
        }
    )
    row = {
        "tokens": ["Ada", "Byron", "wrote"],
        "tags": [1, 2, 0],
        "answers": {"text": ["Ada"], "answer_start": [0]},
        "marks": [{"kind": 1, "at": 3}],
        "pair": {"left": 0, "right": 1},
    }
    splits = {"train": {name: [value] for name, value in row.items()}}
    place = repository(tmp_path / "repo", "default", splits, features)
    expected = row | {
        "tags": ["B-PER", "I-PER", "O"],
        "marks": [{"kind": "B-PER", "at": 3}],
        "pair": {"left": "sad", "right": "happy"},
    }
    assert fetched(place, tmp_path / "work") == {"train.jsonl": [expected]}


def test_a_repository_with_a_script_runs_nothing(tmp_path: Path) -> None:
    place = tmp_path / "scripted"
    place.mkdir()
    (place / "scripted.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()")
    with pytest.raises(ValueError, match="scripted cannot be had through `datasets`.*HF_ENDPOINT"):
        fetch_dataset(card(place), tmp_path / "work")
    assert not (tmp_path / "sprung").exists()


def test_a_repository_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere cannot be had through `datasets`.*Check the connection"):
        fetch_dataset(card(tmp_path / "nowhere"), tmp_path / "work")


def test_the_repository_is_asked_for_the_subset_and_revision_of_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *given, **named: asked.append((given, named)) or {})
    fetch_dataset(replace(card(Path("someone/reviews"), "small"), revision="v1"), tmp_path / "work")
    fetch_dataset(card(Path("someone/reviews")), tmp_path / "work")
    assert asked == [
        (("someone/reviews", "small"), {"revision": "v1"}),
        (("someone/reviews", None), {"revision": None}),
    ]
