"""Language models that read word by word and remember: the recurrent network and the LSTM."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from minibert.config import LstmConfig, RnnConfig
from minibert.model.embedding import check_ids

Memory = tuple[Tensor, ...]
"""What a network remembers, each (L, B, D): the hidden states and, in an LSTM, the cells."""


def rnn_step(x: Tensor, hidden: Tensor, input_weight: Tensor, hidden_weight: Tensor, bias: Tensor) -> Tensor:
    """Take in one word.

    h_t = tanh(U x_t + W h_{t-1} + b). Elman 1990, figure 2; Mikolov et al. 2010, eq. 1-2.
    x and hidden (B, D), of this word and before it; the weights (D, D); bias (D,). Returns (B, D).

    Differs from the papers: tanh in place of the logistic function.
    """
    return torch.tanh(F.linear(x, input_weight) + F.linear(hidden, hidden_weight) + bias)


def lstm_step(
    x: Tensor, hidden: Tensor, cell: Tensor, input_weight: Tensor, hidden_weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Take in one word: write some of it into the cell, forget some of the cell, show some of it.

    i, f, o = sigmoid(...), g = tanh(...) of U x_t + W h_{t-1} + b, a quarter each, in the order i, f, g, o;
    c_t = f c_{t-1} + i g; h_t = o tanh(c_t). Hochreiter and Schmidhuber 1997, section 4; the forget gate f is
    that of Gers et al. 2000. x, hidden and cell (B, D); the weights (4 D, D); bias (4 D,).
    Returns the new hidden state and the new cell, (B, D) each.
    """
    gates = F.linear(x, input_weight) + F.linear(hidden, hidden_weight) + bias  # (B, 4 D)
    write, forget, content, show = gates.chunk(4, dim=-1)  # (B, D) each: i, f, g, o
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(write) * torch.tanh(content)  # (B, D)
    return torch.sigmoid(show) * torch.tanh(cell), cell


class RecurrentState:
    """What a recurrent model remembers of the texts that it is in the middle of.

    `memory` has the shape (L, B, D) however long the texts are. `filled` counts the columns seen so far,
    padding included; `length`, the columns that were asked for, is no limit here.
    """

    def __init__(self, memory: Memory, length: int, starts: Tensor | None = None) -> None:
        """Begin with memory, usually zeros. starts (B,): the column where each row's text begins."""
        self.memory = memory
        self.length = length
        self.starts = starts
        self.filled = 0

    def reorder(self, rows: Tensor) -> None:
        """Let row i go on from what row rows[i] has seen: rows (B,) int64, as beam search picks them."""
        self.memory = tuple(part.index_select(1, rows) for part in self.memory)
        self.starts = None if self.starts is None else self.starts[rows]

    def stretches(self, count: int) -> Iterator[tuple[int, int]]:
        """Cut the next `count` columns where a text begins, and yield each stretch's first column and end.

        Columns are counted from the first of the new ones. In one stretch a row is all padding or all text.
        """
        begins = [] if self.starts is None else (self.starts - self.filled).unique().tolist()
        cuts = [0, *(begin for begin in begins if 0 < begin < count), count]
        yield from zip(cuts, cuts[1:], strict=False)

    def keep(self, memory: Memory, columns: int) -> None:
        """Remember what is known after so many more columns; a row of padding alone knows nothing."""
        self.filled += columns
        if self.starts is not None:
            begun = (self.starts < self.filled)[None, :, None]  # (1, B, 1)
            memory = tuple(torch.where(begun, part, 0) for part in memory)
        self.memory = memory


class RecurrentModel(nn.Module):
    """What both models share: words in, memory on, logits out.

    logits = h E^T, where h is the top layer's hidden state and E (V, D) the token embedding (Press and Wolf
    2017). The layers read sqrt(D) E[id]: E starts small, as logits want it, and layers want numbers of about
    1 (Vaswani et al. 2017, section 3.4). `kernel` is torch's: it takes the steps of all words and layers in
    one call. Dropout stands on what goes upwards, never on what goes from word to word (Zaremba et al. 2014).
    """

    def __init__(self, config: RnnConfig, kernel: type[nn.RNN] | type[nn.LSTM], parts: int) -> None:
        """kernel: torch.nn's class of layers; parts: how many tensors its memory has."""
        super().__init__()
        D, L = config.width, config.layers
        between = config.dropout if L > 1 else 0.0  # torch warns where nothing is between
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size, D)
        self.kernel = kernel(D, D, L, batch_first=True, dropout=between)
        self.parts = parts
        self.dropout = nn.Dropout(config.dropout)

    @torch.no_grad()
    def start_weights(self, generator: Generator | None) -> None:
        """Give every weight its first value.

        What comes from below is multiplied by noise that keeps its size (Glorot and Bengio 2010); what comes
        from the word before by an orthogonal matrix for each gate, whose powers neither grow nor vanish
        (Saxe et al. 2014). Biases start at 0.
        """
        D = self.config.width
        nn.init.normal_(self.tokens.weight, std=D**-0.5, generator=generator)
        for name, parameter in self.kernel.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
                continue
            start = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
            for gate in parameter.split(D):
                start(gate, generator=generator)

    def run(self, x: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """Read x (B, T, D) on from memory: the top layer's hidden states (B, T, D), and the memory after."""
        raise NotImplementedError

    def features(self, ids: Tensor, state: RecurrentState | None = None) -> Tensor:
        """Return what the output projection is applied to: ids (B, T) to (B, T, D).

        With a state the texts go on where they stopped, and the state moves on with them; what comes out at
        padding means nothing. Raises ValueError, on the CPU, for ids outside the vocabulary.
        """
        check_ids(ids, self.config.vocab_size, "token ids")
        x = self.dropout(math.sqrt(self.config.width) * self.tokens(ids))  # (B, T, D)
        if state is None:
            return self.dropout(self.run(x, None)[0])

        read = []
        for first, end in state.stretches(ids.shape[1]):
            hidden, memory = self.run(x[:, first:end], state.memory)
            state.keep(memory, end - first)
            read.append(hidden)
        return self.dropout(torch.cat(read, dim=1))  # (B, T, D)

    def forward(self, ids: Tensor, state: RecurrentState | None = None) -> Tensor:
        """Return the logits of the word after each of ids (B, T): (B, T, V). See `features`."""
        return F.linear(self.features(ids, state), self.tokens.weight)

    def new_state(self, batch: int, length: int, starts: Tensor | None = None) -> RecurrentState:
        """Return the memory of `batch` texts that have not begun.

        starts (B,) int64: prompts of different length are padded on the left, and row b's text begins at
        column starts[b]. length is kept for whoever asks; the memory does not grow with it.
        """
        shape = (self.config.layers, batch, self.config.width)
        zeros = self.tokens.weight.new_zeros(shape)
        return RecurrentState((zeros,) * self.parts, length, starts)


class Rnn(RecurrentModel):
    """The recurrent language model (Elman 1990; Mikolov et al. 2010): L layers of `rnn_step`."""

    def __init__(self, config: RnnConfig, generator: Generator | None = None) -> None:
        """generator makes the first weights; torch's own if not given."""
        super().__init__(config, nn.RNN, parts=1)
        self.start_weights(generator)

    def run(self, x: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """As the shared class says; memory is (hidden,)."""
        hidden, last = self.kernel(x, None if memory is None else memory[0])
        return hidden, (last,)


class Lstm(RecurrentModel):
    """The language model with long short-term memory: L layers of `lstm_step`.

    Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000, which starts out open: its bias
    is 1 (Jozefowicz et al. 2015, section 2.2).
    """

    def __init__(self, config: LstmConfig, generator: Generator | None = None) -> None:
        """generator makes the first weights; torch's own if not given."""
        super().__init__(config, nn.LSTM, parts=2)
        self.start_weights(generator)

    @torch.no_grad()
    def start_weights(self, generator: Generator | None) -> None:
        """Give every weight its first value; the forget gates are open."""
        super().start_weights(generator)
        D = self.config.width
        for layer in range(self.config.layers):
            # torch adds two biases, and this is one of them.
            self.kernel.get_parameter(f"bias_hh_l{layer}")[D : 2 * D] = 1

    def run(self, x: Tensor, memory: Memory | None) -> tuple[Tensor, Memory]:
        """As the shared class says; memory is (hidden, cell)."""
        return self.kernel(x, memory)
