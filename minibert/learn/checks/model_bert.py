"""What the whole model must fulfil in PyTorch."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from minibert.config import BertConfig
from minibert.learn.checks import bert as by_hand
from minibert.learn.compare import expect
from minibert.learn.sizes import Sizes
from minibert.learn.tensors import (
    config,
    expect_refused,
    expect_same,
    expect_same_slopes,
    filled,
    flow_back,
    leaf,
    normal,
    slopes,
)
from minibert.model.bert import Bert, BertForPretraining, padding_mask
from minibert.model.block import Block
from minibert.model.position import sinusoids

Batch = tuple[Tensor, Tensor, Tensor]


def draw_batch(size: Sizes, seed: int) -> Batch:
    """Return ids, segments and attend, (B, T) each, without the word of padding; the last token is hidden."""
    generator = Generator().manual_seed(seed)
    ids = torch.randint(1, size.V, (size.B, size.T), generator=generator)
    segments = torch.randint(2, (size.B, size.T), generator=generator)
    segments[0, 0] = 1
    attend = (torch.arange(size.T) < max(1, size.T - 1)).repeat(size.B, 1)
    return ids, segments, attend


def draw(size: Sizes, seed: int) -> tuple[Bert, Batch]:
    """Return an encoder of three layers, and a batch."""
    size = size._replace(L=3)
    return filled(Bert(config(size)), seed), draw_batch(size, seed)


def check_the_encoder_is_its_blocks_one_after_another(size: Sizes, seed: int) -> None:
    """The embedding, then every block once, each with the same mask; in value and all gradients."""
    model, (ids, segments, attend) = draw(size, seed)
    leaves = {name: weight for name, weight in model.named_parameters() if "pooler" not in name}
    for given, mask in (((ids, segments, attend), padding_mask(ids, attend)), ((ids,), None)):
        x = model.embedding(*given[:2])
        for block in model.blocks:
            x = block(x, mask)
        expect_same_slopes(model(*given), x, leaves, seed, "block after block")


def check_the_rows_asked_for_are_those_of_the_whole(size: Sizes, seed: int) -> None:
    """Flat positions b T + t, and only the last block may leave out the others."""
    model, (ids, segments, attend) = draw(size, seed)
    rows = torch.randint(size.B * size.T, (size.N,), generator=Generator().manual_seed(seed))
    expected = model(ids, segments, attend).flatten(0, 1)[rows]
    leaves = {name: weight for name, weight in model.named_parameters() if "pooler" not in name}
    got = model(ids, segments, attend, rows)
    expect_same_slopes(got, expected, leaves, seed, "the whole, at the rows")
    expect_same(model(ids, rows=rows), model(ids).flatten(0, 1)[rows], "the rows, without attend")


def check_padding_on_the_right_changes_nothing(size: Sizes, seed: int) -> None:
    """Whatever words stand there."""
    model, (ids, segments, _) = draw(size, seed)
    junk = torch.randint(1, size.V, (size.B, 2), generator=Generator().manual_seed(seed + 1))
    attend = torch.arange(size.T + 2).expand(size.B, -1) < size.T
    padded = model(torch.cat([ids, junk], 1), torch.cat([segments, junk % 2], 1), attend)
    expect_same(padded[:, : size.T], model(ids, segments), "the words before the padding")


def check_a_mask_that_is_not_boolean_or_of_another_shape_is_refused(size: Sizes, seed: int) -> None:
    """1 and 0 as transformers has them are not True and False."""
    model, (ids, segments, attend) = draw(size, seed)
    for wrong in (attend.long(), attend.double(), attend.repeat(1, 2)):
        what = f"attend in {wrong.dtype} of the shape {tuple(wrong.shape)}, ids {tuple(ids.shape)}"
        expect_refused(lambda wrong=wrong: model(ids, segments, wrong), what)


def check_a_sequence_is_summed_up_by_its_first_token(size: Sizes, seed: int) -> None:
    """Through a product and a tanh: (B, T, D) to (B, D)."""
    model, _ = draw(size, seed)
    hidden = leaf(seed + 50, size.B, size.T, size.D)
    weight, bias = model.pooler.weight, model.pooler.bias
    expected = torch.stack([torch.tanh(weight @ hidden[b, 0] + bias) for b in range(size.B)])
    leaves = {"hidden": hidden, "pooler.weight": weight, "pooler.bias": bias}
    expect_same_slopes(model.pool(hidden), expected, leaves, seed, "tanh(W hidden[:, 0] + b)")


def draw_pretraining(size: Sizes, seed: int) -> tuple[BertForPretraining, Batch, Tensor]:
    """Return a model of two layers, a batch, and slots (N,)."""
    size = size._replace(L=2)
    slots = torch.randint(size.B * size.T, (size.N,), generator=Generator().manual_seed(seed))
    return filled(BertForPretraining(config(size)), seed), draw_batch(size, seed), slots


def check_by_hand_pretraining_is_the_same(size: Sizes, seed: int) -> None:
    """Both losses, and the gradients of all parameters."""
    case = by_hand.CASES[0]
    examples, params, settings = case.arguments(size, seed)
    expected, cache = case.forward(examples, params, settings)
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    losses = by_hand.torch_twin(examples, weights, settings)
    expect_same(losses, torch.as_tensor(expected), "the losses of words and pairs (by hand is expected)")
    dout = normal(seed, 2)
    assert case.backward is not None
    gradients = case.backward(dout.numpy(), cache)
    mine = dict(zip(weights, flow_back(losses, dout, list(weights.values())), strict=True))
    largest = max(float(gradient.abs().max()) for gradient in mine.values())
    for name, gradient in mine.items():
        error = float((gradient - torch.as_tensor(gradients[name])).abs().max())
        expect(error < 1e-9 * largest, f"the gradient of {name}: off by {error:.2g} from that by hand")


def check_features_are_those_of_the_whole_with_their_gradients(size: Sizes, seed: int) -> None:
    """The words' logits are features @ words.weight.T + words.bias, at the slots."""
    model, batch, slots = draw_pretraining(size, seed)
    leaves = dict(model.named_parameters())
    for ids, segments, attend in (batch, (batch[0], None, None)):
        whole = model(ids, segments, attend, slots)
        features, pairs = model.features(ids, segments, attend, slots)
        expect(
            tuple(features.shape) == (size.N, size.D),
            f"the features: expected the shape (N, D) = {(size.N, size.D)}, got {tuple(features.shape)}",
        )
        words = F.linear(features, model.words.weight, model.words.bias)
        expect_same_slopes(words, whole.words, leaves, seed, "the words' logits of the whole")
        expect_same_slopes(pairs, whole.pairs, leaves, seed, "the pairs' logits of the whole")


def check_slots_may_be_the_first_tokens_too(size: Sizes, seed: int) -> None:
    """Then they are both, word and summary; and one slot may be asked for twice."""
    model, batch, _ = draw_pretraining(size, seed)
    slots = torch.zeros(2, dtype=torch.int64)
    whole = model(*batch, slots)
    features, pairs = model.features(*batch, slots)
    expect_same(F.linear(features, model.words.weight, model.words.bias), whole.words, "the words' logits")
    expect_same(pairs, whole.pairs, "the pairs' logits")


def check_only_what_is_looked_at_is_worked_out(size: Sizes, seed: int) -> None:
    """In the last block the slots and each first token go through the feed-forward, and no others."""
    model, batch, slots = draw_pretraining(size._replace(T=size.T + 2), seed)
    seen = []
    last = model.bert.blocks[-1]
    assert isinstance(last, Block)
    last.feedforward.register_forward_pre_hook(lambda module, given: seen.append(given[0].numel() // size.D))
    model.features(*batch, slots[:1])
    most = 1 + size.B
    expect(
        sum(seen) <= most, f"1 slot, {size.B} sequences: expected {most} tokens worked out, got {sum(seen)}"
    )


WIDE = BertConfig(
    vocab_size=300, layers=1, width=64, heads=2, feedforward=64, max_positions=64, init_std=0.05
)
"""Wide enough that a standard deviation can be measured."""


def start(settings: BertConfig = WIDE, seed: int = 0) -> BertForPretraining:
    """Return a model whose weights, all spoilt, have been started anew."""
    model = BertForPretraining(settings)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.endswith(("norm.weight", "norm.bias")) and name != "words.bias":
                weight.fill_(7.0)
    model.start_weights(Generator().manual_seed(seed))
    return model


def expect_noise(weight: Tensor, std: float, name: str) -> None:
    """Raise CheckError unless numbers have mean 0 and a standard deviation, up to six of its own errors."""
    mean, measured = float(weight.detach().mean()), float(weight.detach().std())
    expect(
        abs(measured - std) < 6 * std / (2 * weight.numel()) ** 0.5, f"{name}: std {measured:.4g}, not {std}"
    )
    expect(abs(mean) < 6 * std / weight.numel() ** 0.5, f"{name}: the mean is {mean:.4g}, expected about 0")


def check_products_start_as_noise(seed: int) -> None:
    """With the standard deviation of the configuration, 0.05 here."""
    for name, weight in start(seed=seed).named_parameters():
        if weight.ndim == 2 and "embedding" not in name:
            expect_noise(weight, 0.05, name)


def check_tables_start_as_noise(seed: int) -> None:
    """Tokens and positions as well; there are too few segments to measure."""
    model = start(seed=seed)
    expect_noise(model.bert.embedding.tokens.weight, 0.05, "the token table")
    expect_noise(model.bert.embedding.positions.weight, 0.05, "the table of positions")
    largest = float(model.bert.embedding.segments.weight.detach().abs().max())
    expect(largest < 0.5, f"the table of segments: expected noise of 0.05, got {largest:.4g}")


def check_the_noise_is_normal(seed: int) -> None:
    """Two thirds lie within one standard deviation; of even noise it would be fewer."""
    weight = start(seed=seed).bert.embedding.tokens.weight.detach()
    share = float((weight.abs() < weight.std()).double().mean())
    error = (0.6827 * 0.3173 / weight.numel()) ** 0.5
    expect(abs(share - 0.6827) < 8 * error, f"{share:.4g} of the noise lies within one std, expected 0.6827")


def check_biases_start_at_zero(seed: int) -> None:
    """Those of all products."""
    for name, bias in start(seed=seed).named_parameters():
        if name.endswith("bias"):
            expect(not bias.any(), f"{name} does not start at 0")


def check_norms_start_at_one(seed: int) -> None:
    """As they were made: scale 1."""
    for name, weight in start(seed=seed).named_parameters():
        if name.endswith("norm.weight"):
            expect_same(weight, torch.ones_like(weight), f"{name} at the start")


def check_the_generator_makes_the_noise(seed: int) -> None:
    """The same one the same, another one other."""
    first, again, other = start(seed=seed), start(seed=seed), start(seed=seed + 1)
    for (name, a), b, c in zip(first.named_parameters(), again.parameters(), other.parameters(), strict=True):
        expect(torch.equal(a, b), f"{name}: two generators with one seed give two weights")
        if a.ndim == 2 and "positions" not in name:
            expect(not torch.equal(a, c), f"{name}: two seeds give the same weight")


def check_positions_may_start_as_sinusoids(seed: int) -> None:
    """In their shape; the table has a row for each of its 64 positions."""
    settings = BertConfig(**{**WIDE.__dict__, "position_init": "sinusoidal"})
    table = start(settings, seed).bert.embedding.positions.weight.detach()
    expected = sinusoids(torch.arange(64), 64)
    expect_same(table / table.abs().max(), expected / expected.abs().max(), "the positions, with amplitude 1")


def check_sinusoids_start_small(seed: int) -> None:
    """A few times the noise of the tokens, which they would drown otherwise."""
    settings = BertConfig(**{**WIDE.__dict__, "position_init": "sinusoidal"})
    table = start(settings, seed).bert.embedding.positions.weight.detach()
    largest = float(table.abs().max())
    expect(
        0.05 < largest < 0.5, f"the largest number of the positions: expected about 0.1, got {largest:.4g}"
    )


def check_all_weights_can_still_learn(size: Sizes, seed: int) -> None:
    """Starting is no step that a gradient would have to flow back through."""
    model, batch, slots = draw_pretraining(size, seed)
    model.start_weights(Generator().manual_seed(seed))
    leaves = dict(model.named_parameters())
    expect(
        all(weight.is_leaf and weight.requires_grad for weight in leaves.values()), "a weight does not learn"
    )
    expect(model.words.weight is model.bert.embedding.tokens.weight, "the token table is no longer shared")
    found = slopes(model(*batch, slots).words, leaves, seed)
    expect(bool(found["bert.embedding.tokens.weight"].any()), "the token table has no gradient")
