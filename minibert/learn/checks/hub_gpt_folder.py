"""What must hold of matrices that stand the other way round in GPT-2's files."""

import torch

from minibert.hub.gpt_folder import turn
from minibert.learn.compare import expect


def expect_turned(name: str, shape: tuple[int, ...], turns: bool) -> None:
    """Raise CheckError unless a tensor of this name comes out turned, or as it was."""
    tensor = torch.arange(float(torch.Size(shape).numel())).reshape(shape)
    got = turn(name, tensor)
    expected = tensor.mT if turns else tensor
    what = "the transpose" if turns else "what it was"
    expect(
        got.shape == expected.shape and torch.equal(got, expected),
        f"{name} of the shape {shape} must be {what}, got the shape {tuple(got.shape)}:\n{got}",
    )


def check_matrices_of_layers_are_turned() -> None:
    """Theirs have the inputs above one another, ours the outputs."""
    expect_turned("transformer.h.0.mlp.c_fc.weight", (2, 5), turns=True)
    expect_turned("transformer.h.0.mlp.c_proj.weight", (5, 2), turns=True)
    expect_turned("transformer.h.3.attn.c_attn.weight", (2, 6), turns=True)


def check_a_square_matrix_is_turned_as_well() -> None:
    """Its shape does not tell which way round it stands: only its name does."""
    expect_turned("transformer.h.0.attn.c_proj.weight", (3, 3), turns=True)


def check_tables_stand_as_ours_do() -> None:
    """A row for each token or position, in both."""
    expect_turned("transformer.wte.weight", (5, 2), turns=False)
    expect_turned("transformer.wpe.weight", (2, 2), turns=False)


def check_biases_and_norms_have_no_way_round() -> None:
    """They have one axis."""
    expect_turned("transformer.h.0.attn.c_attn.bias", (6,), turns=False)
    expect_turned("transformer.h.0.ln_1.weight", (3,), turns=False)


def check_the_output_stands_as_the_table() -> None:
    """It is the table, once more."""
    expect_turned("lm_head.weight", (5, 2), turns=False)


def check_there_and_back_is_nothing() -> None:
    """It leads from theirs to ours, and from ours to theirs."""
    name, matrix = "transformer.h.0.mlp.c_fc.weight", torch.arange(6.0).reshape(2, 3)
    expect(torch.equal(turn(name, turn(name, matrix)), matrix), "a matrix turned twice must be as it was")


def check_a_vector_under_the_name_of_a_matrix_comes_through() -> None:
    """It is refused later, by its shape, in words."""
    expect_turned("transformer.h.0.mlp.c_fc.weight", (4,), turns=False)
    expect_turned("transformer.h.0.mlp.c_fc.weight", (2, 1, 3), turns=False)
