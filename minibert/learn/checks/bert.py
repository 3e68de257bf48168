"""What the whole model must fulfil."""

import math
from typing import Any

import numpy as np

from minibert.byhand.activation import ACTIVATIONS
from minibert.byhand.bert import (
    TOKENS,
    Examples,
    Settings,
    bert_forward,
    pretraining_backward,
    pretraining_forward,
    words_forward,
)
from minibert.byhand.block import block_forward
from minibert.byhand.embedding import embedding_forward
from minibert.byhand.gradcheck import relative_errors
from minibert.byhand.layernorm import layernorm_forward
from minibert.byhand.loss import IGNORE
from minibert.byhand.parameters import Parameters, part
from minibert.learn.compare import expect, expect_close
from minibert.learn.proof import Case
from minibert.learn.sizes import Sizes

EPS = 1e-5
"""Large enough for its being left out to show."""

PAIRED = ("bert.pooler.", "pairs.")
"""What only the pairs use."""


def draw_parameters(size: Sizes, rng: np.random.Generator, pairs: bool = True) -> Parameters:
    """Return random parameters, norms and biases too, so that no mistake hides behind a zero."""
    D, F, V = size.D, size.F, size.V
    shapes: dict[str, tuple[int, ...]] = {
        TOKENS: (V, D),
        "bert.embedding.positions.weight": (size.T + 3, D),
        "bert.embedding.segments.weight": (2, D),
        "bert.embedding.norm": (D,),
    }
    for layer in range(size.L):
        own = f"bert.blocks.{layer}."
        shapes |= {f"{own}attention.{name}": (D, D) for name in ("query", "key", "value", "output")}
        shapes |= {f"{own}attention_norm": (D,), f"{own}feedforward_norm": (D,)}
        shapes |= {f"{own}feedforward.expand": (F, D), f"{own}feedforward.contract": (D, F)}
    shapes |= {"bert.pooler": (D, D), "words.dense": (D, D), "words.norm": (D,), "words.bias": (V,)}
    shapes |= {"pairs": (2, D)}

    params: Parameters = {}
    for name, shape in shapes.items():
        if name.endswith((".weight", "words.bias")):
            params[name] = rng.normal(size=shape)
        else:
            norm = len(shape) == 1
            params[f"{name}.weight"] = norm + rng.normal(size=shape) / (2 if norm else math.sqrt(shape[1]))
            params[f"{name}.bias"] = rng.normal(size=shape[:1]) / 2
    return {name: value for name, value in params.items() if pairs or not name.startswith(PAIRED)}


def draw_examples(size: Sizes, rng: np.random.Generator, pairs: bool = True) -> Examples:
    """Return a batch with hidden tokens, an empty slot, and without the padding's id, V - 1."""
    ids = rng.integers(size.V - 1, size=(size.B, size.T))
    ids[-1, -1] = ids[0, 0]
    attend = rng.random(ids.shape) > 0.3
    attend[:, 0] = True
    slots = rng.permutation(ids.size)[: size.N]
    slots[-1] = 0  # the first token, from which the pairs are told as well
    slots = np.unique(slots)
    targets = rng.integers(size.V, size=slots.shape)
    targets[1:2] = IGNORE
    follows = rng.integers(2, size=size.B) if pairs else None
    return Examples(ids, rng.integers(2, size=ids.shape), attend, slots, targets, follows)


def draw_with(activation: str = "gelu", pairs: bool = True):
    def draw(size: Sizes, rng: np.random.Generator) -> tuple[Examples, Parameters, Settings]:
        """Return a batch, all parameters, and the settings."""
        settings = Settings(size.H, activation, EPS, size.V - 1)
        return draw_examples(size, rng, pairs), draw_parameters(size, rng, pairs), settings

    return draw


def sizes_of(params: Any) -> tuple[int, int, int, int]:
    """Return V, D, F and L, as the parameters tell them."""
    V, D = params[TOKENS].shape
    F = params["bert.blocks.0.feedforward.expand.bias"].shape[0]
    return V, D, F, sum(name.endswith("attention.query.bias") for name in params)


def torch_twin(examples, params, settings):
    import torch

    from minibert.config import BertConfig
    from minibert.model.bert import BertForPretraining
    from minibert.train.loss import cross_entropy

    V, D, F, L = sizes_of(params)
    config = BertConfig(
        V, L, D, settings.heads, F, len(params["bert.embedding.positions.weight"]), 2, settings.activation,
        0.0, 0.0, settings.eps, pad_id=settings.pad_id,
    )  # fmt: skip
    ids, segments, attend, slots, targets, follows = map(tensor, examples)
    model = BertForPretraining(config).double()
    out = torch.func.functional_call(model, params, (ids, segments, attend, slots))
    losses = [cross_entropy(out.words, targets)]
    return torch.stack(losses if follows is None else [*losses, cross_entropy(out.pairs, follows)])


def transformers_twin(examples, params, settings):
    import torch
    import torch.nn.functional as F
    from transformers import BertConfig, BertForPreTraining

    from minibert.hub.bert_folder import to_hugging_face

    V, D, wide, L = sizes_of(params)
    config = BertConfig(
        vocab_size=V,
        hidden_size=D,
        num_hidden_layers=L,
        num_attention_heads=settings.heads,
        intermediate_size=wide,
        hidden_act={"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}[settings.activation],
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=len(params["bert.embedding.positions.weight"]),
        layer_norm_eps=settings.eps,
        pad_token_id=settings.pad_id,
    )
    ids, segments, attend, slots, targets, follows = map(tensor, examples)
    theirs = to_hugging_face(params)
    copies = {"weight": "bert.embeddings.word_embeddings.weight", "bias": "cls.predictions.bias"}
    theirs |= {f"cls.predictions.decoder.{copy}": theirs[tied] for copy, tied in copies.items()}
    out = torch.func.functional_call(
        BertForPreTraining(config).double(),
        theirs,
        kwargs={"input_ids": ids, "token_type_ids": segments, "attention_mask": attend.long()},
    )
    losses = [F.cross_entropy(out.prediction_logits.flatten(0, 1)[slots], targets, reduction="sum")]
    losses[0] = losses[0] / (targets != IGNORE).sum().clamp(min=1)
    if follows is not None:
        losses.append(F.cross_entropy(out.seq_relationship_logits, follows))
    return torch.stack(losses)


def tensor(array: Any) -> Any:
    """Return an array as a tensor, and None as None."""
    import torch

    return None if array is None else torch.from_numpy(array)


def seeded_forward(examples: Examples, params: Parameters, settings: Settings, seed: int):
    """Leave out the same numbers each time, as finite differences need it."""
    return pretraining_forward(examples, params, settings, np.random.default_rng(seed))


def draw_dropout(size: Sizes, rng: np.random.Generator) -> tuple[Examples, Parameters, Settings, int]:
    """Return what `draw_with` gives, with dropout, and a seed for it."""
    examples, params, settings = draw_with()(size, rng)
    return examples, params, settings._replace(dropout=0.3, attention_dropout=0.2), 5


def small(draw: Any, layers: int = 1) -> Any:
    """Return a draw of smaller models: finite differences run one twice for each of its parameters."""
    return lambda size, rng: draw(
        size._replace(K=min(size.K, 2), F=min(size.F, 3), L=min(size.L, layers)), rng
    )


CASES = [
    Case(
        "bert",
        pretraining_forward,
        pretraining_backward,
        small(draw_with(), 2),
        torch_twin,
        transformers_twin,
    ),
    Case(
        "masked words alone, gelu with tanh",
        pretraining_forward,
        pretraining_backward,
        small(draw_with("gelu_tanh", pairs=False)),
        torch_twin,
        transformers_twin,
    ),
    Case("dropout", seeded_forward, pretraining_backward, small(draw_dropout)),
]


def check_a_model_of_zeros_knows_nothing(size: Sizes) -> None:
    """With every weight 0 all words are equally likely, and so are both kinds of pairs: log V and log 2.

    Two words to guess, the words 0 and 1: the gradient of the words' bias is p - y = 1 / V - 1/2 for these.
    """
    _, params, settings = draw_with()(size, np.random.default_rng(0))
    params = {name: np.zeros_like(value) for name, value in params.items()}
    ids = np.zeros((1, 2), int)
    examples = Examples(ids, None, None, np.array([0, 1]), np.array([0, 1]), np.array([1]))
    losses, cache = pretraining_forward(examples, params, settings)
    expect_close(losses, np.array([math.log(size.V), math.log(2)]), "the losses of a model of zeros")

    dbias = pretraining_backward(np.ones(2), cache)["words.bias"]
    expected = np.full(size.V, 1 / size.V)
    expected[:2] -= 1 / 2
    expect_close(dbias, expected, "the gradient of the words' bias in a model of zeros")


def check_the_model_is_its_blocks_one_after_another(size: Sizes, seed: int) -> None:
    examples, params, settings = draw_with("relu")(size, np.random.default_rng(seed))
    assert examples.attend is not None
    own = part(params, "bert")
    hidden, _ = bert_forward(examples.ids, examples.segments, examples.attend, own, settings)
    x, _ = embedding_forward(
        examples.ids, examples.segments, part(own, "embedding"), settings.pad_id, settings.eps
    )
    mask = examples.attend[:, None, None, :]
    for layer in range(size.L):
        x, _ = block_forward(x, part(own, f"blocks.{layer}"), settings.heads, mask, "relu", settings.eps)
    expect_close(hidden, x, "the hidden states, beside the embedding and its blocks one by one")


def check_the_words_are_told_from_a_bent_and_normalised_state(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    params, tokens = part(draw_parameters(size, rng), "words"), rng.normal(size=(size.V, size.D))
    hidden, settings = rng.normal(size=(size.N, size.D)), Settings(size.H, "gelu_tanh", EPS)
    bent, _ = ACTIVATIONS["gelu_tanh"][0](hidden @ params["dense.weight"].T + params["dense.bias"])
    features, _ = layernorm_forward(bent, params["norm.weight"], params["norm.bias"], EPS)
    logits, _ = words_forward(hidden, tokens, params, settings)
    expect_close(logits, features @ tokens.T + params["bias"], "the words' logits", 1e-10)


def check_words_are_told_at_the_slots_and_pairs_at_the_first_token(size: Sizes, seed: int) -> None:
    """Without blocks a hidden state knows nothing but its own token."""
    rng = np.random.default_rng(seed)
    examples, params, settings = draw_with()(size._replace(L=0, B=2, T=4, V=9), rng)
    examples = examples._replace(slots=np.array([1, 6]), targets=np.array([2, 3]))
    losses, _ = pretraining_forward(examples, params, settings)
    for place, word, pair in (
        ((0, 0), False, True),
        ((0, 1), True, False),
        ((1, 2), True, False),
        ((1, 3), False, False),
    ):
        ids = examples.ids.copy()
        ids[place] = (ids[place] + 1) % 8
        changed = pretraining_forward(examples._replace(ids=ids), params, settings)[0] != losses
        expect(
            changed.tolist() == [word, pair],
            f"words at the slots 1 and 6 of 2 x 4, without blocks: another token at {list(place)} should "
            f"{'' if word else 'not '}change their loss, and {'' if pair else 'not '}that of the pairs",
        )


def check_padding_on_the_right_changes_nothing(size: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    examples, params, settings = draw_with()(size, rng)
    ids, segments, attend, slots, _, _ = examples
    assert segments is not None and attend is not None
    more = rng.integers(size.V, size=(size.B, 2))
    wide = examples._replace(
        ids=np.hstack([ids, more]),
        segments=np.hstack([segments, more % 2]),
        attend=np.hstack([attend, more < 0]),
        slots=slots // size.T * (size.T + 2) + slots % size.T,
    )
    losses, _ = pretraining_forward(examples, params, settings)
    expect_close(
        pretraining_forward(wide, params, settings)[0],
        losses,
        "the losses, two tokens of padding more",
        1e-10,
    )


def check_the_sentence_of_a_token_counts(size: Sizes, seed: int) -> None:
    examples, params, settings = draw_with()(size, np.random.default_rng(seed))
    assert examples.segments is not None
    other = examples._replace(segments=1 - examples.segments)
    losses, others = (pretraining_forward(batch, params, settings)[0] for batch in (examples, other))
    expect(
        losses[1] != others[1], "the sentences of all tokens exchanged: the loss of the pairs stays the same"
    )


def check_the_token_table_learns_as_input_and_as_output(size: Sizes, seed: int) -> None:
    """A word that the text lacks learns too: it is an answer that was not given."""
    examples, params, settings = draw_with()(size, np.random.default_rng(seed))
    losses, cache = pretraining_forward(examples._replace(ids=0 * examples.ids), params, settings)
    dtokens = pretraining_backward(np.ones_like(losses), cache)[TOKENS]
    if (examples.targets != IGNORE).any():
        expect(dtokens[1:].any(axis=1).all(), "a word that is not in the text has no gradient as an output")


def check_with_nothing_to_predict_the_words_cost_nothing(size: Sizes, seed: int) -> None:
    examples, params, settings = draw_with()(size, np.random.default_rng(seed))
    empty = examples._replace(targets=np.full_like(examples.targets, IGNORE))
    losses, cache = pretraining_forward(empty, params, settings)
    expect(losses[0] == 0, f"the words' loss with nothing to predict: expected 0, got {losses[0]}")
    gradients = pretraining_backward(np.ones(2), cache)
    for name, gradient in part(gradients, "words").items():
        expect_close(
            gradient, np.zeros_like(gradient), f"the gradient of words.{name} with nothing to predict"
        )


def check_without_pairs_what_only_they_use_has_no_gradient(size: Sizes, seed: int) -> None:
    examples, params, settings = draw_with()(size, np.random.default_rng(seed))
    losses, cache = pretraining_forward(examples, params, settings)
    alone, alone_cache = pretraining_forward(examples._replace(follows=None), params, settings)
    expect_close(alone, losses[:1], "the words' loss with and without pairs")
    words = pretraining_backward(np.array([1.0, 0.0]), cache)
    gradients = pretraining_backward(np.ones(1), alone_cache)
    expect(
        not [name for name in gradients if name.startswith(PAIRED)], "without pairs the pooler has a gradient"
    )
    kept = {name: words[name] for name in gradients}
    for name, error in relative_errors(gradients, kept).items():
        expect(error < 1e-9, f"the gradient of {name} is another without pairs")


def check_the_gradient_of_the_sum_is_the_sum_of_the_gradients(size: Sizes, seed: int) -> None:
    examples, params, settings = draw_with()(size, np.random.default_rng(seed))
    _, cache = pretraining_forward(examples, params, settings)
    words, pairs = (pretraining_backward(dlosses, cache) for dlosses in np.eye(2))
    total: Parameters = {name: words[name] + pairs[name] for name in words}
    for name, error in relative_errors(pretraining_backward(np.ones(2), cache), total).items():
        expect(error < 1e-9, f"the gradient of {name} under both losses is not the sum of the two")
