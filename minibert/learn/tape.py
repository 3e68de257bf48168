"""What a function was asked and what it answered: how two versions of it are told apart.

A tape holds the calls that the checks make of the library's own version. Played on another version it gives
outcomes: results, arguments that were changed, exceptions. Two versions with the same outcomes make the same
mistake, however differently they are written.
"""

import contextlib
import copy
import inspect
import itertools
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minibert.learn.limits import TooSlow, time_limit

CALLS = 6
"""So many calls of each check are kept."""

LONGEST = 3.0
"""A call that takes more seconds than this counts as one that does not end."""

TOLERANCE = {8: 1e-9, 4: 1e-4, 2: 2e-2}
"""By the bytes of a number: the largest relative difference between two ways to write the same."""

SMALL = {TOLERANCE[8]: 1e-4, TOLERANCE[4]: 1e-2, TOLERANCE[2]: 1.0}
"""By tolerance: an array below this share of the largest number around is measured against that share.
On paper some gradients are zero, as that of a key's bias, and all that is left of them is rounding."""


@dataclass(frozen=True)
class Call:
    """What a check asked."""

    check: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a call."""

    result: Any = None
    after: Any = None
    """The arguments after it, and their gradients."""
    error: str = ""
    """The name of the exception that it raised; what else is known of it is its message."""
    message: str = ""


class Enough(BaseException):
    """A check has made as many calls as are kept."""


@dataclass
class Tape:
    """The calls that checks make of a function."""

    calls: list[Call] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    """The checks that call the function at all, in order."""

    def record(self, check: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function for a check: its first calls go onto the tape, then it raises Enough."""
        left = itertools.count()
        inside = False

        def recorded(*arguments: Any, **keywords: Any) -> Any:
            nonlocal inside
            if check not in self.callers:
                self.callers.append(check)
            if not inside:
                if next(left) == CALLS:
                    raise Enough
                with contextlib.suppress(TypeError, RuntimeError):  # what cannot be copied: an open file
                    self.calls.append(Call(check, *duplicate((arguments, keywords))))
            inside, before = True, inside
            try:
                return function(*arguments, **keywords)
            finally:
                inside = before

        return recorded

    def play(self, function: Callable[..., Any]) -> list[Outcome]:
        """Return the outcomes of all calls; after one that does not end, no other is tried."""
        outcomes = []
        for call in self.calls:
            if outcomes and outcomes[-1].error == TooSlow.__name__:
                outcomes.append(outcomes[-1])
            else:
                outcomes.append(play(function, call))
        return outcomes


def play(function: Callable[..., Any], call: Call) -> Outcome:
    """Return the outcome of one call, made on a copy of its arguments."""
    arguments, keywords = duplicate((call.arguments, call.keywords))
    seed_all()
    try:
        with quiet(), time_limit(LONGEST):
            result = function(*arguments, **keywords)
            if inspect.isgenerator(result) or isinstance(result, Iterator):
                result = list(itertools.islice(result, 10_000))
            slopes = gradients(result, (arguments, keywords))
    except TooSlow:
        return Outcome(error=TooSlow.__name__)
    except BaseException as error:  # also SystemExit
        return Outcome(None, freeze((arguments, keywords)), type(error).__name__, str(error))
    return Outcome(freeze(result), (freeze((arguments, keywords)), slopes))


@contextmanager
def quiet() -> Iterator[None]:
    """Let no warning of NumPy or of anything else be seen."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def seed_all() -> None:
    """Set the random numbers of all libraries that are loaded, so that two plays draw the same."""
    random.seed(0)
    np.random.seed(0)
    if torch := loaded_torch():
        torch.default_generator.manual_seed(0)


def loaded_torch() -> Any:
    """Return torch where something has imported it, None otherwise."""
    return sys.modules.get("torch")


def duplicate(value: Any) -> Any:
    """Return a copy that shares nothing; a tensor in the middle of a graph becomes a leaf."""
    memo: dict[int, Any] = {}
    if torch := loaded_torch():
        for item in inside(value):
            if isinstance(item, torch.Tensor) and not item.is_leaf:
                memo[id(item)] = item.detach().clone().requires_grad_()
            elif isinstance(item, torch.Generator):
                memo[id(item)] = item.clone_state()
    return copy.deepcopy(value, memo)


def inside(value: Any) -> Iterator[Any]:
    """Yield everything that stands in tuples, lists and dictionaries, and what is none of them itself."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from inside(item)
    elif isinstance(value, dict):
        yield from inside(list(value.values()))
    else:
        yield value


def gradients(result: Any, arguments: Any) -> list[Any]:
    """Return the gradients of the tensors among the arguments, under an upstream gradient made of cosines."""
    torch = loaded_torch()
    if not torch:
        return []
    out = [item for item in inside(result) if isinstance(item, torch.Tensor) and item.requires_grad]
    leaves = []
    for item in inside(arguments):
        if isinstance(item, torch.nn.Module):
            leaves += [parameter for parameter in item.parameters() if parameter.requires_grad]
        elif isinstance(item, torch.Tensor) and item.requires_grad and item.is_leaf:
            leaves.append(item)
    if not out or not leaves:
        return []
    total = torch.zeros(())  # a sum, for autograd loads SymPy, a second long, when it is handed an upstream
    for item in out:
        upstream = torch.cos(torch.arange(item.numel(), dtype=torch.float64)).view(item.shape)
        total = total + (item * upstream.to(item.dtype)).sum().real
    return [
        None if slope is None else freeze(slope)
        for slope in torch.autograd.grad(total, leaves, allow_unused=True)
    ]


def freeze(value: Any, seen: frozenset[int] = frozenset()) -> Any:
    """Return what can be compared of a value: arrays, numbers, text, and what objects are made of."""
    if value is None or isinstance(value, (str, bytes, bool, int, float, complex, slice, np.generic)):
        return value
    if id(value) in seen:
        return "itself"
    seen = seen | {id(value)}
    torch = loaded_torch()
    if isinstance(value, np.ndarray):
        return value.copy()
    if torch and isinstance(value, torch.Tensor) and value.is_leaf and value.grad is not None:
        return freeze(value.detach()), freeze(value.grad)
    if torch and isinstance(value, torch.Tensor):
        array = value.detach()
        narrow = array.dtype in (torch.bfloat16, torch.float16)
        return Narrow(array.float().numpy().copy()) if narrow else array.cpu().numpy().copy()
    if torch and isinstance(value, torch.nn.Module) and "_parameters" in vars(value):  # it has been started
        own = {name: item for name, item in vars(value).items() if not name.startswith("_")}
        return type(value).__name__, freeze(own, seen), freeze(dict(value.state_dict(keep_vars=True)), seen)
    if torch and isinstance(value, torch.optim.Optimizer):  # its state has parameters as keys
        parameters = [group["params"] for group in value.param_groups]
        return type(value).__name__, freeze(parameters, seen), freeze(value.state_dict(), seen)
    if isinstance(value, Mapping):
        return {key: freeze(item, seen) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [freeze(item, seen) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(repr, value))
    if inspect.isroutine(value) or isinstance(value, (type, np.random.Generator)):
        return type(value).__name__
    if hasattr(value, "__dict__"):
        return type(value).__name__, freeze(vars(value), seen)
    return type(value).__name__


@dataclass(frozen=True)
class Narrow:
    """Numbers that came in 16 bits."""

    array: np.ndarray


def same(one: Outcome, other: Outcome, reference: Outcome) -> bool:
    """Return whether two outcomes are of the same version, as far as this call can tell.

    Where the library itself raises, everyone has words of his own: there only the type is compared.
    """
    if one.error or other.error:
        alike = one.error == other.error
        return alike and bool(reference.error or one.message == other.message)
    pair = (one.result, one.after), (other.result, other.after)
    return same_value(*pair, around=max(map(largest, pair)))


def same_value(one: Any, other: Any, around: float = 0.0) -> bool:
    """Return whether two frozen values are equal but for rounding; `around` is the largest number beside."""
    if isinstance(one, Narrow) or isinstance(other, Narrow):
        both = isinstance(one, Narrow) and isinstance(other, Narrow)
        return both and close(one.array, other.array, TOLERANCE[2], around)
    if isinstance(one, (np.ndarray, np.generic)) or isinstance(other, (np.ndarray, np.generic)):
        if isinstance(one, str) or isinstance(other, str) or one is None or other is None:
            return False
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        return close(a, b, tolerance_of(a), around)
    if isinstance(one, float) and isinstance(other, float):
        return close(np.asarray(one), np.asarray(other), TOLERANCE[8], around)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key], around) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(
            same_value(a, b, around) for a, b in zip(one, other, strict=True)
        )
    return one == other


def tolerance_of(array: np.ndarray) -> float:
    """Return the largest relative difference that is rounding, in an array's type."""
    return TOLERANCE.get(array.dtype.itemsize, TOLERANCE[8])


def close(a: np.ndarray, b: np.ndarray, tolerance: float, around: float) -> bool:
    """Return whether two arrays of one shape and type hold the same numbers, but for rounding."""
    return not wrong_entries(a, b, tolerance, around).any()


def wrong_entries(a: np.ndarray, b: np.ndarray, tolerance: float, around: float = 0.0) -> np.ndarray:
    """Return where two arrays of one shape and type differ by more than rounding; NaN is equal to NaN."""
    if a.dtype.kind not in "fc":
        return np.asarray(a != b)
    finite = np.isfinite(a) & np.isfinite(b)
    scale = max(float(np.abs(a[np.isfinite(a)]).max(initial=0)), SMALL[tolerance] * around)
    apart = np.abs(np.where(finite, a, 0) - np.where(finite, b, 0)) > tolerance * scale
    return np.where(finite, apart, (a != b) & ~(np.isnan(a) & np.isnan(b)))


def largest(value: Any) -> float:
    """Return the largest finite number inside a frozen value."""
    if isinstance(value, Narrow):
        value = value.array
    if isinstance(value, (bool, str, bytes)) or value is None:
        return 0.0
    if isinstance(value, (float, np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind != "f":
            return 0.0
        return float(np.abs(array[np.isfinite(array)]).max(initial=0))
    if isinstance(value, dict):
        value = list(value.values())
    return max(map(largest, value), default=0.0) if isinstance(value, (list, tuple)) else 0.0


def visible(outcome: Outcome) -> Outcome:
    """Return an outcome without the cache of a forward pass, which may hold what it likes."""
    result = outcome.result
    if isinstance(result, list) and len(result) == 2:
        return Outcome(result[0], None, outcome.error, outcome.message)
    return outcome


def matches(
    learner: Sequence[Outcome], known: Mapping[str, Sequence[Outcome]], reference: Sequence[Outcome]
) -> list[str]:
    """Return the names of the known mistakes that have the learner's outcomes.

    What decides are the calls that the library answers; those that it refuses decide only about a mistake
    that shows nowhere else.
    """
    answered = [index for index, outcome in enumerate(reference) if not outcome.error]
    everything = range(len(reference))

    def alike(one: Sequence[Outcome], other: Sequence[Outcome], at: Sequence[int] | range) -> bool:
        return all(same(one[index], other[index], reference[index]) for index in at)

    found = []
    for name, outcomes in known.items():
        shows = not alike(outcomes, reference, answered)
        if alike(learner, outcomes, answered if shows else everything):
            found.append(name)
    return found


def names(
    learner: Sequence[Outcome],
    known: Mapping[str, Sequence[Outcome]],
    reference: Sequence[Outcome],
    has_cache: bool,
) -> list[str]:
    """Return the names of the known mistakes that the learner's outcomes fit.

    Args:
        learner, reference: the outcomes of the learner's version and of the library's.
        known: for each mistake, its outcomes.
        has_cache: the function returns (out, cache): where no mistake fits whole, out alone may tell.
    """
    found = matches(learner, known, reference)
    if not found and has_cache:
        outs = {name: [visible(outcome) for outcome in outcomes] for name, outcomes in known.items()}
        plain = [visible(outcome) for outcome in reference]
        shown = {name: some for name, some in outs.items() if not all(map(same, some, plain, plain))}
        found = matches([visible(outcome) for outcome in learner], shown, plain)
    return found or fits_where_it_answers(learner, known, reference)


def fits_where_it_answers(
    learner: Sequence[Outcome], known: Mapping[str, Sequence[Outcome]], reference: Sequence[Outcome]
) -> list[str]:
    """Return the one known mistake that fits a version which breaks now and then; none where two fit.

    It must give an answer to half of the calls that the library answers, and the mistake must show there.
    """
    answered = [index for index, outcome in enumerate(reference) if not outcome.error]
    given = [index for index in answered if not learner[index].error]
    if len(given) == len(answered) or 2 * len(given) < len(answered):
        return []
    mine, right = ([outcomes[index] for index in given] for outcomes in (learner, reference))
    found = []
    for name, outcomes in known.items():
        theirs = [outcomes[index] for index in given]
        if all(map(same, mine, theirs, right)) and not all(map(same, theirs, right, right)):
            found.append(name)
    return found if len(found) == 1 else []
