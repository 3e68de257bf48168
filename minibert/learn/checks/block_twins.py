"""The transformer blocks by others: `minibert.model`, and the BERT, GPT-2 and BART of `transformers`.

Each takes what our block takes, x [and source], the parameters, H, the masks, and the settings; they run
as in training, and leave out the same numbers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from minibert.learn.checks.feedforward import HUGGING_FACE


class Settings(NamedTuple):
    """What a block is run with, and the seed that says which numbers are left out."""

    activation: str = "gelu"
    eps: float = 1e-12
    rate: float = 0.0
    attention_rate: float = 0.0
    seed: int = 5

    @property
    def arguments(self) -> tuple[str, float, float, float, np.random.Generator]:
        """The last arguments of a block, with a new generator each time."""
        return self.activation, self.eps, self.rate, self.attention_rate, np.random.default_rng(self.seed)


@contextmanager
def dropping(seed: int) -> Iterator[None]:
    """Let PyTorch leave out the numbers that NumPy draws, in the places and in the order of the module."""
    from minibert.model.attention import scaled_dot_product

    generator = np.random.default_rng(seed)

    def drop(x, p=0.5, training=True, inplace=False):
        import torch

        if p == 0 or not training:
            return x
        kept = torch.from_numpy(generator.random(tuple(x.shape)) >= p)
        return torch.where(kept, x / (1 - p), 0.0)

    def attend(*arguments):  # torch's fused kernel draws by itself
        return scaled_dot_product(*arguments)[0]

    with patch("torch.nn.functional.dropout", drop), patch("minibert.model.multihead.attention", attend):
        yield


def torch_twin(name: str):
    def run(*arguments):
        """Run a block of minibert.model on x [and source], the parameters, H, the masks and the settings."""
        import torch

        import minibert.model.block
        from minibert.config import BertConfig

        inputs, (params, heads, *rest) = split(arguments)
        *masks, settings = rest
        F, D = params["feedforward.expand.weight"].shape
        config = BertConfig(
            width=D,
            heads=heads,
            feedforward=F,
            activation=settings.activation,
            dropout=settings.rate,
            attention_dropout=settings.attention_rate,
            norm_eps=settings.eps,
        )
        block = getattr(minibert.model.block, name)(config).train()
        with dropping(settings.seed):
            return torch.func.functional_call(block, params, (*inputs, *masks))

    return run


def split(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the tensors before the parameters, and the parameters with all that follows."""
    first = next(i for i, argument in enumerate(arguments) if isinstance(argument, dict))
    return arguments[:first], arguments[first:]


def added(mask):
    """Return a mask as their attention takes it: 0 to attend, minus infinity not to."""
    import torch

    return (
        None if mask is None else torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -torch.inf)
    )


def renamed(params: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return parameters under their names of `transformers`."""
    whole = {key: names[key.rpartition(".")[0]] for key in params}
    return {f"{whole[key]}.{key.rpartition('.')[2]}": value for key, value in params.items()}


def bert_names(ours: str, theirs: str) -> dict[str, str]:
    """Return our names of an attention and its norm -> those of BERT."""
    inner = {f"{ours}.{name}": f"{theirs}.self.{name}" for name in ("query", "key", "value")}
    return inner | {f"{ours}.output": f"{theirs}.output.dense", f"{ours}_norm": f"{theirs}.output.LayerNorm"}


BERT = {
    **bert_names("attention", "attention"),
    **bert_names("cross", "crossattention"),
    "feedforward.expand": "intermediate.dense",
    "feedforward.contract": "output.dense",
    "feedforward_norm": "output.LayerNorm",
}
"""Our names -> those of BERT in `transformers`."""


def bert_layer(x, source, params, heads, mask, source_mask, settings):
    """A layer of their BERT, as a decoder's where there is a source."""
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    F, D = params["feedforward.expand.weight"].shape
    config = BertConfig(
        hidden_size=D,
        intermediate_size=F,
        num_attention_heads=heads,
        hidden_act=HUGGING_FACE[settings.activation],
        layer_norm_eps=settings.eps,
        hidden_dropout_prob=settings.rate,
        attention_probs_dropout_prob=settings.attention_rate,
        is_decoder=source is not None,
        add_cross_attention=source is not None,
    )
    config._attn_implementation = "eager"
    inputs = (x, added(mask), source, added(source_mask))
    with dropping(settings.seed):
        return torch.func.functional_call(BertLayer(config).train(), renamed(params, BERT), inputs)


def transformers_block(x, params, heads, mask, settings):
    return bert_layer(x, None, params, heads, mask, None, settings)


def transformers_prenorm(x, params, heads, mask, settings):
    """A block of their GPT-2, which has the three projections in one matrix, and all of them transposed."""
    import torch
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    F, D = params["feedforward.expand.weight"].shape
    config = GPT2Config(
        n_embd=D,
        n_head=heads,
        n_inner=F,
        activation_function=HUGGING_FACE[settings.activation],
        layer_norm_epsilon=settings.eps,
        resid_pdrop=settings.rate,
        attn_pdrop=settings.attention_rate,
    )
    config._attn_implementation = "eager"
    names = {"attn.c_proj": "attention.output", "mlp.c_fc": "feedforward.expand"}
    names |= {"mlp.c_proj": "feedforward.contract", "ln_1": "attention_norm", "ln_2": "feedforward_norm"}
    theirs = {f"{t}.{kind}": params[f"{o}.{kind}"] for t, o in names.items() for kind in ("weight", "bias")}
    for kind in ("weight", "bias"):
        parts = [params[f"attention.{name}.{kind}"] for name in ("query", "key", "value")]
        theirs[f"attn.c_attn.{kind}"] = torch.cat(parts)
    theirs = {name: value.T if value.ndim == 2 else value for name, value in theirs.items()}
    with dropping(settings.seed):
        block = GPT2Block(config, layer_idx=0).train()
        return torch.func.functional_call(block, theirs, (x, None, added(mask)))


def bart_layer(x, source, params, heads, mask, source_mask, settings):
    """A layer of the decoder of their BART, whose norms have an epsilon of 1e-5."""
    import torch
    from transformers import BartConfig
    from transformers.models.bart.modeling_bart import BartDecoderLayer

    F, D = params["feedforward.expand.weight"].shape
    config = BartConfig(
        d_model=D,
        decoder_ffn_dim=F,
        decoder_attention_heads=heads,
        activation_function=HUGGING_FACE[settings.activation],
        dropout=settings.rate,
        attention_dropout=settings.attention_rate,
        activation_dropout=0.0,
    )
    config._attn_implementation = "eager"
    names = {"feedforward.expand": "fc1", "feedforward.contract": "fc2"}
    names |= {"feedforward_norm": "final_layer_norm"}
    for ours, theirs in (("attention", "self_attn"), ("cross", "encoder_attn")):
        names |= {f"{ours}.{name}": f"{theirs}.{name[0]}_proj" for name in ("query", "key", "value")}
        names |= {f"{ours}.output": f"{theirs}.out_proj", f"{ours}_norm": f"{theirs}_layer_norm"}
    inputs = (x, added(mask), source, added(source_mask))
    with dropping(settings.seed):
        layer = BartDecoderLayer(config, layer_idx=0).train()
        return torch.func.functional_call(layer, renamed(params, names), inputs)
