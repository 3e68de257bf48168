"""What must hold when the names of BERT's files, new ones and old ones, become ours."""

import torch
from torch import Tensor

from minibert.hub.bert_folder import from_hugging_face
from minibert.learn.compare import CheckError, expect

TABLE = "bert.embeddings.word_embeddings.weight"


def numbered(names: list[str]) -> dict[str, Tensor]:
    """Return a tensor for each name, all different."""
    return {name: torch.tensor([float(place)]) for place, name in enumerate(names, 1)}


def expect_ours(names: dict[str, str], what: str) -> None:
    """Raise CheckError unless tensors by names of theirs (the keys) get these names of ours."""
    state = numbered(list(names))
    got = from_hugging_face(dict(state))
    for theirs, ours in names.items():
        expect(ours in got, f"{what}: {theirs} must become {ours}; there are {sorted(got)}")
        place = next(name for name, tensor in state.items() if torch.equal(tensor, got[ours]))
        expect(place == theirs, f"{what}: {ours} must hold what was {theirs}, and holds what was {place}")
    expect(len(got) == len(names), f"{what}: expected {len(names)} tensors, got {sorted(got)}")


def check_the_names_of_today() -> None:
    """By the table, with the number of the block."""
    expect_ours(
        {
            TABLE: "bert.embedding.tokens.weight",
            "bert.encoder.layer.3.attention.self.query.weight": "bert.blocks.3.attention.query.weight",
            "bert.encoder.layer.3.attention.output.dense.bias": "bert.blocks.3.attention.output.bias",
            "bert.encoder.layer.10.output.LayerNorm.weight": "bert.blocks.10.feedforward_norm.weight",
            "cls.predictions.bias": "words.bias",
            "cls.seq_relationship.weight": "pairs.weight",
        },
        "a file of today",
    )


def check_the_bare_encoder_has_nothing_in_front() -> None:
    """Embeddings, encoder and pooler without `bert.`: so sentence models are saved."""
    expect_ours(
        {
            "embeddings.word_embeddings.weight": "bert.embedding.tokens.weight",
            "embeddings.LayerNorm.bias": "bert.embedding.norm.bias",
            "encoder.layer.0.intermediate.dense.weight": "bert.blocks.0.feedforward.expand.weight",
            "pooler.dense.bias": "bert.pooler.bias",
        },
        "a file of the bare encoder",
    )


def check_norms_of_2018_have_gamma_and_beta() -> None:
    """Gamma is the scale, our weight; beta is the shift, our bias."""
    expect_ours(
        {
            "bert.embeddings.LayerNorm.gamma": "bert.embedding.norm.weight",
            "bert.embeddings.LayerNorm.beta": "bert.embedding.norm.bias",
            "bert.encoder.layer.0.output.LayerNorm.gamma": "bert.blocks.0.feedforward_norm.weight",
            "bert.encoder.layer.0.output.LayerNorm.beta": "bert.blocks.0.feedforward_norm.bias",
            "cls.predictions.transform.LayerNorm.gamma": "words.norm.weight",
            "cls.predictions.transform.LayerNorm.beta": "words.norm.bias",
        },
        "a file with gamma and beta",
    )


def check_positions_that_are_counted_are_no_weight() -> None:
    """0, 1, 2 … stand in many files, with or without `bert.` in front."""
    for front in ("bert.", ""):
        got = from_hugging_face({f"{front}embeddings.position_ids": torch.arange(4)[None]})
        expect(not got, f"{front}embeddings.position_ids is no weight, and became {sorted(got)}")


def check_the_table_of_positions_is_a_weight() -> None:
    """Its name is nearly the same."""
    expect_ours(
        {"embeddings.position_embeddings.weight": "bert.embedding.positions.weight"}, "a table of positions"
    )


def check_copies_of_what_is_tied_are_left_out() -> None:
    """The output is the table of the words, and its bias has a name of its own."""
    table, bias = torch.arange(6.0).reshape(3, 2), torch.arange(3.0)
    state = {
        TABLE: table,
        "cls.predictions.bias": bias,
        "cls.predictions.decoder.weight": table.clone(),
        "cls.predictions.decoder.bias": bias.clone(),
    }
    got = sorted(from_hugging_face(state))
    expected = ["bert.embedding.tokens.weight", "words.bias"]
    expect(got == expected, f"a file with both copies: expected {expected}, got {got}")


def check_a_copy_is_compared_also_where_the_table_has_no_prefix() -> None:
    """First the names, then the copies."""
    table = torch.arange(6.0).reshape(3, 2)
    state = {"cls.predictions.decoder.weight": table.clone(), "embeddings.word_embeddings.weight": table}
    got = sorted(from_hugging_face(state))
    expected = ["bert.embedding.tokens.weight"]
    expect(got == expected, f"a copy beside a table without `bert.`: expected {expected}, got {got}")


def check_an_output_of_its_own_is_refused_here() -> None:
    """Ours shares it with the input: left out, it would be another model."""
    table = torch.arange(6.0).reshape(3, 2)
    try:
        from_hugging_face({TABLE: table, "cls.predictions.decoder.weight": table + 1})
    except ValueError:
        return
    raise CheckError("an output that is not the table of the words was left out without a word")


def check_a_name_that_nobody_knows_stays() -> None:
    """Then it can be told that it is unexpected, and by which name."""
    expect_ours({"classifier.weight": "classifier.weight"}, "a file with the head of a task")


def check_the_given_tensors_are_not_changed() -> None:
    """Who has opened the file may want to look at it again."""
    state = numbered(["bert.embeddings.LayerNorm.gamma", "bert.embeddings.position_ids"])
    from_hugging_face(state)
    expect(len(state) == 2 and list(state)[0].endswith("gamma"), f"the argument became {sorted(state)}")
