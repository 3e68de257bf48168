"""Llama and Qwen: a causal stack with turned queries and keys, RMS norms and gated feed-forward blocks."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import LlamaConfig
from minibert.model.embedding import check_ids
from minibert.model.gated import GatedFeedForward
from minibert.model.multihead import merge_heads, split_heads
from minibert.model.position import rotate, turns
from minibert.model.rmsnorm import RmsNorm
from minibert.model.rotary import RotaryAttention, Turns, share_heads


class LlamaAttention(RotaryAttention):
    """Rotary attention in which no token looks ahead (Touvron et al. 2023, section 2.2)."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__(config.width, config.heads, config.key_heads)

    def forward(self, x: Tensor, turns: Turns) -> Tensor:
        """Let each token of x (B, T, D) attend to itself and to those before it; (B, T, D) comes back."""
        query, key, value = self.project(x, turns)
        key, value = share_heads(key, self.heads), share_heads(value, self.heads)  # (B, H, T, K)
        out = F.scaled_dot_product_attention(query, key, value, is_causal=True)  # (B, H, T, K)
        return self.output(merge_heads(out))  # (B, T, D)


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
        query = self.query_norm(split_heads(self.query(x), self.heads))  # (B, H, T, K)
        key = self.key_norm(split_heads(self.key(x), self.key_heads))  # (B, G, T, K)
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

    def forward(self, x: Tensor, turns: Turns) -> Tensor:
        """Map x (B, T, D) to (B, T, D); turns: of the T positions."""
        x = x + self.attention(self.attention_norm(x), turns)
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

    def features(self, ids: Tensor) -> Tensor:
        """Return what the output projection is applied to: ids (B, T) int64 to (B, T, D).

        Raises ValueError for ids outside the vocabulary (on the CPU) and for too long a text.
        """
        self.check(ids)
        x = self.tokens(ids)  # (B, T, D)
        K = self.config.width // self.config.heads
        angles = turns(torch.arange(ids.shape[1], device=ids.device), K, self.config.rotary_base, x.dtype)
        for block in self.blocks:
            x = block(x, angles)  # (B, T, D)
        return self.norm(x)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits of the token that comes next, at every place: ids (B, T) to (B, T, V)."""
        return F.linear(self.features(ids), self.tokens.weight)

    def check(self, ids: Tensor) -> None:
        """Raise ValueError for ids outside the vocabulary (on the CPU) and for too long a text."""
        longest = self.config.max_positions
        if ids.shape[1] > longest:
            raise ValueError(
                f"the model has {longest} positions, got a sequence of {ids.shape[1]} tokens; cut it to "
                f"{longest}, or make the model with max_positions of at least {ids.shape[1]}"
            )
        check_ids(ids, self.config.vocab_size, "token ids")


class Qwen(Llama):
    """A Llama that norms its queries and keys (Yang et al. 2025, section 2)."""

    attention = QwenAttention
