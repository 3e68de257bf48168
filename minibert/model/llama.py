"""Llama and Qwen: a causal stack with turned queries and keys, RMS norms and gated feed-forward blocks."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import LlamaConfig
from minibert.model.attention import causal_attention
from minibert.model.embedding import check_ids
from minibert.model.gated import GatedFeedForward
from minibert.model.keys_values import KeysValues, LayerPast, Places
from minibert.model.multihead import merge_heads, split_heads
from minibert.model.position import check_length, rotate, turns
from minibert.model.rmsnorm import RmsNorm
from minibert.model.rotary import RotaryAttention, Turns


class LlamaAttention(RotaryAttention):
    """Rotary attention in which no token looks ahead (Touvron et al. 2023, section 2.2)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config.width, config.heads, config.key_heads)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Tensor, turns: Turns, past: LayerPast | None = None
    ) -> Tensor:
        """Let each token of x (B, T, D) attend to those up to itself, and to all of the past, if given.

        turns: of the T positions. The keys of x, turned, and its values are added to the past.
        Returns (B, T, D).
        """
        query, key, value = self.project(x, turns)
        attend = causal_attention if past is None else past.attend
        return self.output(merge_heads(attend(query, key, value)))  # (B, T, D)


class QwenAttention(LlamaAttention):
    """Llama's attention with an RMS norm of each head's queries and keys, before they are turned (QK-norm).

    Their products then stay in bounds, however large the weights become. Yang et al. 2025, section 2; the
    idea is of Henry et al. 2020, section 3, who brought each to the length 1 and learned one factor for all.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config)
        K = config.width // config.heads
        self.query_norm = RmsNorm(K, config.norm_eps)
        self.key_norm = RmsNorm(K, config.norm_eps)

    def project(self, x: Tensor, turns: Turns) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (B, H, T, K) and keys (B, G, T, K), normed and turned, and values (B, G, T, K)."""
        query = self.query(x).unflatten(-1, (self.heads, -1))  # (B, T, H, K)
        key = self.key(x).unflatten(-1, (self.key_heads, -1))  # (B, T, G, K)
        query, key = self.query_norm(query).transpose(1, 2), self.key_norm(key).transpose(1, 2)
        value = split_heads(self.value(x), self.key_heads)  # (B, G, T, K)
        return rotate(query, *turns), rotate(key, *turns), value


class LlamaBlock(nn.Module):
    """x = x + attention(norm(x)); x = x + feedforward(norm(x)).

    Touvron et al. 2023, section 2.2: RMS norms before the branches, SwiGLU, no biases.
    """

    def __init__(self, config: LlamaConfig, attention: LlamaAttention) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(config.width, config.norm_eps)
        self.attention = attention
        self.feedforward_norm = RmsNorm(config.width, config.norm_eps)
        self.feedforward = GatedFeedForward(config.width, config.feedforward, "silu")

    def forward(self, x: Tensor, turns: Turns, past: LayerPast | None = None) -> Tensor:
        """Map x (B, T, D) to (B, T, D); with a past, x goes on from it and is added to it.

        turns: of the T positions.
        """
        x = x + self.attention(self.attention_norm(x), turns, past)
        return x + self.feedforward(self.feedforward_norm(x))


class Llama(nn.Module):
    """A causal language model: the logits of the next token at every place (Touvron et al. 2023).

    Weights start as normal noise of standard deviation `init_std`, norms as 1; `generator` makes the noise,
    torch's own if not given. The output projection is the token embedding.

    Differs from the paper: the last matrix of each branch starts at zero, so that the stack begins as if it
    had no blocks and learns faster; the larger Llamas have an output projection of their own.
    """

    attention: type[LlamaAttention] = LlamaAttention

    def __init__(self, config: LlamaConfig, generator: Generator | None = None) -> None:
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(LlamaBlock(config, self.attention(config)) for _ in range(config.layers))
        self.norm = RmsNorm(config.width, config.norm_eps)
        self.start_weights(generator)

    @torch.no_grad()
    def start_weights(self, generator: Generator | None) -> None:
        """Give every weight its first value."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0, self.config.init_std, generator=generator)
        for module in self.modules():
            if isinstance(module, LlamaBlock):
                module.attention.output.weight.zero_()
                module.feedforward.contract.weight.zero_()

    def new_state(self, batch: int, length: int, starts: Tensor | None = None) -> KeysValues:
        """Return the memory for texts that grow: so many rows, of at most so many columns.

        starts (B,) int64: the column in which each row's text begins, behind the padding; all in the first if
        not given. Raises ValueError for more columns than the model has positions, and for starts that do not
        fit.
        """
        check_length(length, self.config.max_positions)
        K = self.config.width // self.config.heads
        shape = (batch, self.config.key_heads, length, K)
        return KeysValues(len(self.blocks), shape, self.tokens.weight, starts)

    def turns(self, places: Places) -> Turns:
        """Return the turns of queries and keys at some places, for all layers."""
        if isinstance(places, slice):
            places = torch.arange(places.start or 0, places.stop, device=self.tokens.weight.device)
        K = self.config.width // self.config.heads
        return turns(places, K, self.config.rotary_base, self.tokens.weight.dtype)

    def features(self, ids: Tensor, state: KeysValues | None = None) -> Tensor:
        """Return what the next token is guessed from, after the last norm: (B, T, D).

        ids (B, T) int64. With a state they go on from the tokens that it has seen, and are added to it.
        Raises ValueError for a sequence longer than the positions, for a state without room, and, on the CPU,
        for ids outside the vocabulary.
        """
        T = ids.shape[1]
        check_ids(ids, self.tokens.num_embeddings, "token ids")
        if state is None:
            check_length(T, self.config.max_positions)
            places, pasts = slice(T), [None] * len(self.blocks)
        else:
            places, pasts = state.grow(T), state.layers

        x = self.tokens(ids)  # (B, T, D)
        turns = self.turns(places)
        for block, past in zip(self.blocks, pasts, strict=True):
            x = block(x, turns, past)  # (B, T, D)
        return self.norm(x)

    def forward(self, ids: Tensor, state: KeysValues | None = None) -> Tensor:
        """Return the logits of every token's successor, (B, T, V); arguments and errors as for `features`."""
        return F.linear(self.features(ids, state), self.tokens.weight)


class Qwen(Llama):
    """A Llama that norms its queries and keys (Yang et al. 2025, section 2)."""

    attention = QwenAttention
