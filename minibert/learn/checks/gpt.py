"""What GPT-2 by hand must fulfil."""

import math
from typing import Any

import numpy as np

from minibert.byhand.block import prenorm_block_forward
from minibert.byhand.gpt import (
    TOKENS,
    Settings,
    gpt_backward,
    gpt_forward,
    next_word_backward,
    next_word_forward,
    words_backward,
    words_forward,
)
from minibert.byhand.gradcheck import relative_errors
from minibert.byhand.layernorm import layernorm_forward
from minibert.byhand.loss import IGNORE
from minibert.byhand.parameters import Ints, Parameters, part
from minibert.learn.checks.block import draw_block
from minibert.learn.compare import expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

EPS = 0.5
"""Large enough for its being left out to show, and for a norm of few features not to be a cliff."""


def draw_parameters(size: Sizes, rng: np.random.Generator) -> Parameters:
    """Return random parameters, norms and biases too, so that no mistake hides behind a zero."""
    params: Parameters = {
        TOKENS: rng.normal(size=(size.V, size.D)) / math.sqrt(size.D),
        "positions.weight": rng.normal(size=(size.T + 3, size.D)),
        "norm.weight": 1 + 0.5 * rng.normal(size=size.D),
        "norm.bias": rng.normal(size=size.D),
    }
    for layer in range(size.L):
        own = draw_block(size, rng)
        params |= {f"blocks.{layer}.{name}": value for name, value in own.items()}
    return params


def draw_text(size: Sizes, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Return ids (B, T) and what follows each; one word stands twice, and one is not asked for."""
    text = rng.integers(size.V, size=(size.B, size.T + 1))
    text[-1, -1] = text[0, 0]
    ids, targets = text[:, :-1].copy(), text[:, 1:].copy()
    if targets.size > 1:
        targets[-1, 0] = IGNORE
    return ids, targets


def draw_stack(size: Sizes, rng: np.random.Generator) -> tuple[Ints, Parameters, Settings]:
    """Return ids, all parameters, and the settings."""
    return draw_text(size, rng)[0], draw_parameters(size, rng), Settings(size.H, eps=EPS)


def draw_with(activation: str = "gelu_tanh"):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Ints, Ints, Parameters, Settings]:
        """Return ids, targets, all parameters, and the settings."""
        return *draw_text(size, rng), draw_parameters(size, rng), Settings(size.H, activation, EPS)

    return draw


def draw_dropout(size: Sizes, rng: np.random.Generator) -> tuple[Ints, Ints, Parameters, Settings, int]:
    """Return what `draw_with` gives, with dropout, and a seed for it."""
    ids, targets, params, settings = draw_with()(size, rng)
    return ids, targets, params, settings._replace(dropout=0.3, attention_dropout=0.2), 5


def seeded_forward(ids: Ints, targets: Ints, params: Parameters, settings: Settings, seed: int):
    """Leave out the same numbers each time, as finite differences need it."""
    return next_word_forward(ids, targets, params, settings, np.random.default_rng(seed))


def sizes_of(params: Any) -> dict[str, Any]:
    """Return the sizes of a model, by the names of `GptConfig`, as its parameters tell them."""
    V, D = params[TOKENS].shape
    return {
        "vocab_size": V,
        "width": D,
        "feedforward": params["blocks.0.feedforward.expand.bias"].shape[0],
        "layers": sum(name.endswith("attention.query.bias") for name in params),
        "max_positions": len(params["positions.weight"]),
    }


def model_of(params: Any, settings: Settings):
    """Return our model in PyTorch, of the shape of the parameters."""
    from minibert.config import GptConfig
    from minibert.model.gpt import Gpt

    config = GptConfig(
        **sizes_of(params),
        heads=settings.heads,
        activation=settings.activation,  # pyright: ignore[reportArgumentType]
        dropout=0.0,
        attention_dropout=0.0,
        norm_eps=settings.eps,
    )
    return Gpt(config).double()


def model_names(params: Any) -> dict[str, Any]:
    """Return tensors by the names that the model has for them: it joins query, key and value."""
    from minibert.hub.folder_kind import join
    from minibert.hub.gpt_folder import BY_HAND

    return join(params, BY_HAND)


def torch_stack(ids, params, settings):
    import torch

    # Without the output projection there are only features: take them where the logits would be made.
    model = model_of(params, settings)
    model.forward = model.features  # pyright: ignore[reportAttributeAccessIssue]
    return torch.func.functional_call(model, model_names(params), (ids,))


def torch_twin(ids, targets, params, settings):
    import torch

    from minibert.train.loss import cross_entropy

    logits = torch.func.functional_call(model_of(params, settings), model_names(params), (ids,))
    return cross_entropy(logits.flatten(0, 1), targets.flatten())


def transformers_twin(ids, targets, params, settings):
    import torch
    import torch.nn.functional as F
    from transformers import GPT2Config, GPT2LMHeadModel

    from minibert.hub.gpt_folder import to_hugging_face, write_config

    model = model_of(params, settings)
    values = {key: value for key, value in write_config(model.config).items() if key != "minibert"}
    theirs = to_hugging_face(model_names(params))
    theirs["lm_head.weight"] = theirs["transformer.wte.weight"]
    model = GPT2LMHeadModel(GPT2Config(**values)).double()
    logits = torch.func.functional_call(model, theirs, kwargs={"input_ids": ids}).logits
    losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    return losses / (targets != IGNORE).sum().clamp(min=1)


def small(draw: Any, layers: int = 1) -> Any:
    """Return a draw of smaller models: finite differences run one twice for each of its parameters."""
    return lambda size, rng: draw(size._replace(H=2, K=2, F=min(size.F, 3), L=min(size.L, layers)), rng)


CASES = [
    Case("gpt", next_word_forward, next_word_backward, small(draw_with(), 2), torch_twin, transformers_twin),
    Case(
        "gelu", next_word_forward, next_word_backward, small(draw_with("gelu")), torch_twin, transformers_twin
    ),
    Case("without the words", gpt_forward, gpt_backward, small(draw_stack, 2), torch_stack),
    Case("dropout", seeded_forward, next_word_backward, small(draw_dropout)),
]


def check_a_model_of_zeros_knows_nothing(size: Sizes) -> None:
    """With every weight 0 all words are equally likely: the loss is log V, whatever follows."""
    ids, targets, params, settings = draw_with()(size._replace(T=3), np.random.default_rng(0))
    params = {name: np.zeros_like(value) for name, value in params.items()}
    loss, _ = next_word_forward(ids, targets, params, settings)
    expect_close(loss, math.log(size.V), "the loss of a model of zeros")


def copying() -> tuple[Parameters, Settings]:
    """Return a model of one silent block that says each word again: words are rows of a unit matrix.

    The norm of (1, 0, 0, 0) is (3, -1, -1, -1) / sqrt(3), so with a scale of sqrt(3) a word's own logit is 3
    and that of every other is -1.
    """
    params = draw_parameters(Sizes(H=1, K=4, F=4, V=4, T=3, L=1), np.random.default_rng(0))
    params = {name: np.zeros_like(value) for name, value in params.items()}
    params[TOKENS] = np.eye(4)
    params["norm.weight"] = np.full(4, math.sqrt(3))
    return params, Settings(1, eps=0.0)


def check_a_copying_model_by_hand() -> None:
    """The logits of a word's own successor are 3, those of the other three -1.

    Where the same word follows, -log p = log(1 + 3 e^-4); where another does, it is 4 more. Four positions,
    of which one asks for the same word and one for none: (3 log(1 + 3 e^-4) + 8) / 3.
    """
    params, settings = copying()
    ids, targets = np.array([[0, 1], [2, 3]]), np.array([[1, 1], [IGNORE, 0]])
    loss, _ = next_word_forward(ids, targets, params, settings)
    expected = (3 * math.log(1 + 3 * math.exp(-4)) + 8) / 3
    expect_close(loss, expected, "the loss of a model that says each word again")


def check_targets_are_taken_as_they_come() -> None:
    """They are shifted already, by whoever cuts the text into blocks: a model that copies can be right."""
    params, settings = copying()
    ids = np.array([[0, 3, 1]])
    loss, _ = next_word_forward(ids, ids, params, settings)
    expect_close(
        loss, math.log(1 + 3 * math.exp(-4)), "the loss of a copying model whose targets are its ids"
    )


def check_the_model_is_its_blocks_one_after_another(size: Sizes, seed: int) -> None:
    """The sum of two rows, then every block with the causal mask, and a norm behind the last."""
    ids, params, settings = draw_stack(size, np.random.default_rng(seed))
    mask = np.tri(size.T, dtype=bool)
    x = params[TOKENS][ids] + params["positions.weight"][: size.T]
    for layer in range(size.L):
        own = part(params, f"blocks.{layer}")
        x, _ = prenorm_block_forward(x, own, settings.heads, mask, settings.activation, settings.eps)
    expected, _ = layernorm_forward(x, params["norm.weight"], params["norm.bias"], settings.eps)
    features, _ = gpt_forward(ids, params, settings)
    expect_close(features, expected, "the features, beside the embedding and its blocks one by one")


def check_no_word_sees_the_future(size: Sizes, seed: int) -> None:
    """Whatever follows, the features up to there stay: another word changes its own place and those after."""
    size = size._replace(T=size.T + 1, V=max(size.V, 3))
    ids, params, settings = draw_stack(size, np.random.default_rng(seed))
    features, _ = gpt_forward(ids, params, settings)
    for t in range(size.T):
        other = ids.copy()
        other[:, t] = (ids[:, t] + 1) % size.V
        changed, _ = gpt_forward(other, params, settings)
        expect_close(changed[:, :t], features[:, :t], f"the features before word {t}, which is another now")
        seen = np.abs(changed[:, t:] - features[:, t:]).max(axis=(0, 2)) > 0
        expect(
            bool(seen.all()), f"word {t} is another now, and that is not seen by all from there on: {seen}"
        )


def check_the_longest_text_fits_and_a_longer_one_is_refused(size: Sizes, seed: int) -> None:
    """There are T + 3 positions, and one more token has none."""
    _, params, settings = draw_stack(size, np.random.default_rng(seed))
    longest = len(params["positions.weight"])
    gpt_forward(np.zeros((1, longest), int), params, settings)
    for wrong in (np.zeros((1, longest + 1), int), np.array([[-1]]), np.array([[size.V]])):
        try:
            gpt_forward(wrong, params, settings)
        except ValueError:
            continue
        expect(False, f"ids of shape {wrong.shape} up to {wrong.max()}: expected a ValueError, got none")


def check_targets_of_another_shape_are_refused(size: Sizes, seed: int) -> None:
    """As many numbers in another order would be taken for the right ones."""
    ids, targets, params, settings = draw_with()(size._replace(B=2, T=3), np.random.default_rng(seed))
    try:
        next_word_forward(ids, targets.T, params, settings)
    except ValueError:
        return
    expect(False, "ids of shape (2, 3), targets of shape (3, 2): expected a ValueError, got none")


def check_the_token_table_learns_as_input_and_as_output(size: Sizes, seed: int) -> None:
    """A word that the text lacks learns too: it is an answer that was not given."""
    ids, targets, params, settings = draw_with()(size, np.random.default_rng(seed))
    _, cache = next_word_forward(0 * ids, targets, params, settings)
    dtokens = next_word_backward(1.0, cache)[TOKENS]
    if (targets != IGNORE).any():
        expect(dtokens[1:].any(axis=1).all(), "a word that is not in the text has no gradient as an output")


def check_with_nothing_to_guess_nothing_is_learned(size: Sizes, seed: int) -> None:
    """Where no target counts, the loss is 0, and so is every gradient."""
    ids, targets, params, settings = draw_with()(size, np.random.default_rng(seed))
    loss, cache = next_word_forward(ids, np.full_like(targets, IGNORE), params, settings)
    expect(loss == 0, f"the loss with nothing to guess: expected 0, got {loss}")
    for name, gradient in next_word_backward(1.0, cache).items():
        expect(not gradient.any(), f"the gradient of {name} with nothing to guess: expected zeros")


def check_the_gradient_grows_with_that_of_the_loss(size: Sizes, seed: int) -> None:
    """Where the loss is one of several that are added up with weights."""
    ids, targets, params, settings = draw_with()(size, np.random.default_rng(seed))
    _, cache = next_word_forward(ids, targets, params, settings)
    once, thrice = next_word_backward(1.0, cache), next_word_backward(3.0, cache)
    expected: Parameters = {name: 3 * gradient for name, gradient in once.items()}
    for name, error in relative_errors(thrice, expected).items():
        expect(error < 1e-9, f"the gradient of {name} under dloss = 3 is not 3 times that under dloss = 1")


def check_words_by_hand() -> None:
    """Two features, three words (1, 0), (0, 1), (1, 1): the features (2, 3) have the logits 2, 3 and 5."""
    tokens, features = np.array([[1.0, 0], [0, 1], [1, 1]]), np.array([[2.0, 3]])
    logits, cache = words_forward(features, tokens)
    expect_close(logits, np.array([[2.0, 3, 5]]), "the logits of (2, 3)")
    dfeatures, dtokens = words_backward(np.array([[1.0, 0, -1]]), cache)
    expect_close(dfeatures, np.array([[0.0, -1]]), "dfeatures under dlogits (1, 0, -1)")
    expect_close(dtokens, np.array([[2.0, 3], [0, 0], [-2, -3]]), "dtokens under dlogits (1, 0, -1)")
