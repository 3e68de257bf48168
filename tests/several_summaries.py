"""summary.json as several fine-tunings leave it, made up."""

from typing import Any

from minibert.recipes.several import summary_of

SCORES = {"whole": (0.80, 0.82, 0.84), "frozen": (0.74, 0.77, 0.77)}
COSTS = {"whole": (600.0, 22_000_000), "frozen": (9.0, 770)}


def row(strategy: str, number: int, accuracy: float, drawn: str, forgotten: float | None) -> dict[str, Any]:
    seconds, parameters = COSTS[strategy]
    return {
        "strategy": strategy,
        drawn: number,
        "run": f"{strategy}-{drawn}-{number}",
        "head": "classes",
        "goal": "accuracy",
        "validation": {"accuracy": accuracy + 0.01, "loss": 0.5},
        "test": {"accuracy": accuracy, "macro_f1": accuracy - 0.02, "loss": 0.5},
        "baselines": {
            "most frequent class": {"accuracy": 0.5},
            "TF-IDF with logistic regression": {"accuracy": 0.76 + 0.01 * number, "loss": 0.6},
        },
        "seconds": seconds,
        "learning_parameters": parameters,
        "forgotten": forgotten,
    }


def several_summary(
    strategies: tuple[str, ...] = ("whole", "frozen"),
    count: int = 3,
    drawn: str = "seed",
    forgotten: float | None = None,
) -> dict[str, Any]:
    """Runs of some strategies, with so many seeds or folds."""
    first = int(drawn == "fold")
    rows = [
        row(name, first + n, SCORES[name][n], drawn, forgotten) for n in range(count) for name in strategies
    ]
    asked = {"compare": list(strategies) if len(strategies) > 1 else [], "search": None}
    return {
        "task": "classify",
        "body": "runs/bert-tiny",
        "command": "minibert finetune classify runs/bert-tiny --data data/reviews.csv",
        "asked": {
            **asked,
            "seeds": count if drawn == "seed" and count > 1 else None,
            "folds": count if drawn == "fold" else None,
        },
        "config": {"data": ["data/reviews.csv"], "batch_size": 16, "lr": None, "shares": [0.1, 0.1]},
        "planned": len(rows),
        **summary_of(rows),
    }


def search_summary() -> dict[str, Any]:
    """A search of three trials, of which the third failed."""
    several = several_summary(("whole",), 1)
    trials = [
        {"number": 1, "run": "trial-1", "lr": 5e-5, "batch_size": 16, "score": 0.78, "seconds": 60.0},
        {"number": 2, "run": "trial-2", "lr": 1e-4, "batch_size": 8, "score": 0.8, "seconds": 90.0},
        {"number": 3, "run": "trial-3", "lr": 4e-4, "batch_size": 32, "score": None, "failed": "NaN"},
    ]
    result = {**several["rows"][0], "run": "trial-2"}
    return {
        **{name: several[name] for name in ("task", "body", "command", "config", "head", "goal")},
        "asked": {"compare": [], "seeds": None, "folds": None, "search": 3},
        "trials": trials,
        "best": 2,
        "result": result,
    }
