"""Learners' files: known mistakes in other words, mistakes that are on no list, and right ones.

A mistake is named by what it does, not by how it is written. `OTHER_WORDS` makes known mistakes in another
way, `UNKNOWN` makes mistakes that nobody has listed; `RIGHT` is right and far from the library's way, and
`ODD` is right and takes of Python what it likes.
"""

OTHER_WORDS: list[tuple[str, str, str]] = [
    (
        "linear_backward",
        "the bias's gradient is a mean over the positions, not a sum",
        """
import numpy as np


def linear_backward(dy, cache):
    x, weight = cache
    dx = np.einsum("...o,oi->...i", dy, weight)
    dweight = np.zeros_like(weight)
    for place in np.ndindex(dy.shape[:-1]):
        dweight += np.outer(dy[place], x[place])
    return dx, dweight, np.average(dy.reshape(-1, len(weight)), axis=0)
""",
    ),
    (
        "lookup_backward",
        "padding learns like a word",
        """
import numpy as np


def lookup_backward(dout, cache):
    ids, (V, D), _ = cache
    one_hot = np.arange(V)[:, None] == ids.reshape(1, -1)  # (V, N)
    return one_hot.astype(dout.dtype) @ dout.reshape(-1, D)
""",
    ),
    (
        "sinusoids",
        "the sines stand in the first half and the cosines in the second, not in turns",
        """
import math

import numpy as np


def sinusoids(positions, width):
    rows = []
    for position in positions:
        waves = [(math.sin, i) for i in range(0, width, 2)] + [(math.cos, i) for i in range(0, width - 1, 2)]
        rows.append([wave(position / math.pow(10000, i / width)) for wave, i in waves])
    return np.array(rows, dtype=np.float32).reshape(len(positions), width)
""",
    ),
    (
        "rotate",
        "turned the other way round",
        """
import numpy as np


def rotate(x, cosine, sine):
    half = x.shape[-1] // 2
    turned = (x[..., :half] + 1j * x[..., half:]) * (cosine - 1j * sine)
    return np.concatenate([turned.real, turned.imag], axis=-1).astype(x.dtype)
""",
    ),
    (
        "softmax_forward",
        "a small number is added to the sum, so that the weights sum to less than one",
        """
import numpy as np

from minibert.byhand.attention import check_mask

EPSILON = 1e-6


def softmax_forward(scores, mask=None):
    if mask is None:
        allowed = np.ones_like(scores, dtype=bool)
    else:
        check_mask(mask, scores.shape)
        allowed = np.broadcast_to(mask, scores.shape)
    weights = np.zeros_like(scores)
    for row in np.ndindex(scores.shape[:-1]):
        if allowed[row].any():
            seen = scores[row][allowed[row]]
            powers = np.exp(seen - seen.max())
            weights[row][allowed[row]] = powers * (1 / (powers.sum() + EPSILON))
    return weights, weights
""",
    ),
    (
        "softmax_backward",
        "the plain mean is taken off, not the mean under the weights",
        """
import numpy as np


def softmax_backward(dweights, cache):
    S = cache.shape[-1]
    centring = np.eye(S, dtype=dweights.dtype) - 1 / S
    return np.einsum("...s,...u,us->...s", cache, dweights, centring.astype(dweights.dtype))
""",
    ),
    (
        "softmax_backward",
        "each weight by itself, as if it were a sigmoid",
        """
import numpy as np


def softmax_backward(dweights, cache):
    dscores = np.empty_like(dweights)
    for row in np.ndindex(cache.shape[:-1]):
        weights = cache[row]
        slopes = np.diag(weights - weights**2)  # and nothing beside the diagonal
        dscores[row] = slopes @ dweights[row]
    return dscores
""",
    ),
    (
        "attention_forward",
        "divided by K, not by its root",
        """
import numpy as np

from minibert.byhand.attention import check_shapes, softmax_forward
from minibert.byhand.dropout import dropout_forward


def attention_forward(query, key, value, mask=None, rate=0.0, generator=None):
    check_shapes(query, key, value)
    small = query / query.shape[-1]
    scores = np.einsum("...tk,...sk->...ts", small, key)
    weights, soft = softmax_forward(scores, mask)
    kept, left = dropout_forward(weights, rate, generator)
    out = np.einsum("...ts,...sk->...tk", kept, value)
    return out, (query, key, value, soft, kept, left)
""",
    ),
    (
        "attention_backward",
        "the square root is missing in dquery and dkey",
        """
import numpy as np

from minibert.byhand.attention import softmax_backward
from minibert.byhand.dropout import dropout_backward


def attention_backward(dout, cache):
    query, key, value, soft, kept, left = cache
    dvalue = np.einsum("...ts,...tk->...sk", kept, dout)
    dweights = dropout_backward(np.einsum("...tk,...sk->...ts", dout, value), left)
    dscores = softmax_backward(dweights, soft)
    dquery = np.einsum("...ts,...sk->...tk", dscores, key)
    return dquery, np.einsum("...ts,...tk->...sk", dscores, query), dvalue
""",
    ),
    (
        "split_heads",
        "the features are dealt out like cards: each head gets every H-th, not a stretch",
        """
import numpy as np


def split_heads(x, heads):
    D = x.shape[-1]
    if heads < 1 or D % heads:
        raise ValueError(f"{D} features, {heads} heads")
    return np.stack([x[:, :, head::heads] for head in range(heads)], axis=1)
""",
    ),
    (
        "merge_heads",
        "merged in the wrong order: the last head comes first",
        """
import numpy as np


def merge_heads(x):
    merged = x[:, 0]
    for head in range(1, x.shape[1]):
        merged = np.concatenate([x[:, head], merged], axis=-1)
    return merged
""",
    ),
    (
        "gelu_backward",
        "the product rule is forgotten: the chance depends on x too",
        """
import math

import numpy as np

from minibert.byhand.activation import erf


def gelu_backward(dy, cache):
    x = cache[0]
    return 0.5 * (dy + dy * erf(x * math.sqrt(0.5)))
""",
    ),
    (
        "feedforward_backward",
        "the slope of the activation is left out",
        """
from minibert.byhand.linear import linear_backward


def feedforward_backward(dy, cache):
    expand, _, _, contract = cache
    gradients = {}
    for name, layer in (("contract", contract), ("expand", expand)):
        dy, gradients[f"{name}.weight"], gradients[f"{name}.bias"] = linear_backward(dy, layer)
    return dy, {name: gradients[name] for name in sorted(gradients, key=lambda name: name[0] == "c")}
""",
    ),
    (
        "layernorm_forward",
        "the variance is unbiased: divided by D - 1, not by D",
        """
import numpy as np


def layernorm_forward(x, scale, shift, eps=1e-12):
    D = x.shape[-1]
    if scale.shape != (D,) or shift.shape != (D,):
        raise ValueError("shapes")
    normal, size = np.empty_like(x), np.empty_like(x[..., :1])
    for token in np.ndindex(x.shape[:-1]):
        size[token] = (np.var(x[token], ddof=1) + eps) ** 0.5
        normal[token] = (x[token] - np.average(x[token])) / size[token]
    return np.multiply(normal, scale) + shift, (normal, size, scale)
""",
    ),
    (
        "layernorm_backward",
        "the variance is taken for a constant",
        """
import numpy as np


def layernorm_backward(dy, cache):
    normal, size, scale = cache
    D = len(scale)
    centring = np.eye(D, dtype=dy.dtype) - np.ones((D, D), dy.dtype) / D
    dx = (dy * scale / size) @ centring.astype(dy.dtype)
    flat = dy.reshape(-1, D)
    return dx, np.einsum("nd,nd->d", flat, normal.reshape(-1, D)), flat.sum(0)
""",
    ),
    (
        "cross_entropy_forward",
        "the mean is over all positions, also the ignored ones",
        """
import numpy as np

from minibert.byhand.loss import IGNORE, check_targets, log_softmax


def cross_entropy_forward(logits, targets, smoothing=0.0):
    N, V = logits.shape
    check_targets(targets[targets != IGNORE], V)
    if smoothing < 0 or smoothing >= 1:
        raise ValueError("smoothing")
    logs = log_softmax(logits)
    total = logits.dtype.type(0)
    for row, target in zip(logs, targets):
        if target != IGNORE:
            total -= (1 - smoothing) * row[target] + smoothing * row.mean()
    counts = targets != IGNORE
    weights = (counts / N).astype(logits.dtype)
    return total / N, (logs, (np.arange(N), np.where(counts, targets, 0)), weights, smoothing)
""",
    ),
    (
        "cross_entropy_backward",
        "the sign is turned round: y - p",
        """
import numpy as np


def cross_entropy_backward(dloss, cache):
    logs, (rows, targets), weights, smoothing = cache
    y = np.full_like(logs, smoothing / logs.shape[1])
    for row, target in zip(rows, targets):
        y[row, target] += 1 - smoothing
    return np.einsum("n,nv->nv", weights * dloss, y - np.exp(logs))
""",
    ),
    (
        "adamw",
        "the decay passes through the gradient (L2), and is divided by the size like it",
        """
import numpy as np


def adamw(w, g, m, v, step, lr, betas=(0.9, 0.98), eps=1e-8, decay=0.01):
    if step <= 0:
        raise ValueError("step")
    whole = g + w * decay
    m = m + (whole - m) * (1 - betas[0])
    v = v + (whole**2 - v) * (1 - betas[1])
    root = v**0.5 / (1 - betas[1] ** step) ** 0.5
    return w - m / (root + eps) * (lr / (1 - betas[0] ** step)), m, v
""",
    ),
    (
        "clip",
        "the sum of the norms, not the norm of all",
        """
import numpy as np


def clip(gradients, largest):
    norm = 0.0
    for g in gradients.values():
        norm += float(np.linalg.norm(g.astype(np.float64).ravel()))
    factor = largest / norm if norm > largest else 1.0
    if np.isnan(norm):
        factor = norm
    with np.errstate(invalid="ignore"):
        return {name: g * factor for name, g in gradients.items()}, norm
""",
    ),
    (
        "schedule",
        "the fall ends below the peak: it is not counted from the end of the warmup",
        """
import math


def schedule(begin, end, warmup, kind="linear"):
    if kind == "linear":
        fall = 1 - begin
    elif kind == "cosine":
        fall = math.sin(math.pi / 2 * (1 - begin)) ** 2
    else:
        raise ValueError(kind)
    return fall if end > warmup else end / warmup
""",
    ),
    (
        "embedding_backward",
        "a position gets the mean over the batch, not the sum",
        """
import numpy as np

from minibert.byhand.dropout import dropout_backward
from minibert.byhand.embedding import lookup_backward
from minibert.byhand.layernorm import layernorm_backward


def embedding_backward(dout, cache):
    word, place, kind, norm, left = cache
    dtotal, dscale, dshift = layernorm_backward(dropout_backward(dout, left), norm)
    _, (longest, D), _ = place
    T = dout.shape[1]
    dpositions = np.zeros((longest, D), dout.dtype)
    for t in range(T):
        dpositions[t] += np.average(dtotal[:, t], axis=0)
    return {
        "norm.bias": dshift,
        "norm.weight": dscale,
        "positions.weight": dpositions,
        "segments.weight": lookup_backward(dtotal, kind),
        "tokens.weight": lookup_backward(dtotal, word),
    }
""",
    ),
    (
        "rotary_backward",
        "turned on, not back",
        """
import numpy as np


def rotary_backward(dout, cache):
    half = dout.shape[-1] // 2
    turned = (dout[..., :half] + 1j * dout[..., half:]) * np.exp(1j * np.arctan2(cache[1], cache[0]))
    return np.concatenate([turned.real, turned.imag], axis=-1).astype(dout.dtype)
""",
    ),
    (
        "multihead_backward",
        "the source learns nothing through the values",
        """
from minibert.byhand.attention import attention_backward
from minibert.byhand.linear import linear_backward
from minibert.byhand.multihead import merge_heads, split_heads


def multihead_backward(dout, cache):
    heads, *layers, attending, closing = cache
    gradients = {}

    def back(name, slope, layer):
        dinput, gradients[f"{name}.weight"], gradients[f"{name}.bias"] = linear_backward(slope, layer)
        return dinput

    inside = attention_backward(split_heads(back("output", dout, closing), heads), attending)
    dinputs = [
        back(name, merge_heads(slope), layer)
        for name, slope, layer in zip(("query", "key", "value"), inside, layers, strict=True)
    ]
    return dinputs[0], dinputs[1], gradients
""",
    ),
    (
        "block_backward",
        "the gradient of the attention's branch is not added",
        """
from minibert.byhand.dropout import dropout_backward
from minibert.byhand.feedforward import feedforward_backward
from minibert.byhand.layernorm import layernorm_backward
from minibert.byhand.multihead import self_attention_backward


def block_backward(dout, cache):
    attention, (left, first), feedforward, (late, second) = cache
    gradients = {}

    dsum, scale, shift = layernorm_backward(dout, second)
    gradients |= {"feedforward_norm.weight": scale, "feedforward_norm.bias": shift}
    dx, inner = feedforward_backward(dropout_backward(dsum, late), feedforward)
    gradients |= {f"feedforward.{name}": slope for name, slope in inner.items()}

    dx, scale, shift = layernorm_backward(dsum + dx, first)
    gradients |= {"attention_norm.weight": scale, "attention_norm.bias": shift}
    _, inner = self_attention_backward(dropout_backward(dx, left), attention)
    return dx, gradients | {f"attention.{name}": slope for name, slope in inner.items()}
""",
    ),
    (
        "momentum",
        "the new gradient counts only 1 - mu, as in Adam's mean",
        """
def momentum(w, g, m, lr, mu=0.9, decay=0.0, nesterov=False):
    slope = decay * w + g
    new = slope + mu * (m - slope)
    step = slope + mu * new if nesterov else new
    return w - step * lr, new
""",
    ),
    (
        "merge",
        "the pairs are taken from the right: of a-a-a the last two become one",
        """
def merge(cut, pair, piece):
    def from_the_right(rest):
        if len(rest) < 2:
            return rest
        if (rest[-2], rest[-1]) == tuple(pair):
            return from_the_right(rest[:-2]) + [piece]
        return from_the_right(rest[:-1]) + rest[-1:]

    return from_the_right(list(cut))
""",
    ),
    (
        "wordpiece",
        "the shortest piece that fits is taken, not the longest",
        """
def wordpiece(word, vocab, unk="[UNK]", max_chars=100):
    if len(word) > max_chars:
        return [unk]
    pieces, letters = [], ""
    for letter in word:
        letters += letter
        piece = letters if not pieces else "##" + letters
        if piece in vocab:
            pieces, letters = pieces + [piece], ""
    return [unk] if letters else pieces
""",
    ),
    (
        "wordpiece",
        "it goes back, and finds another cut where the longest piece leads nowhere",
        """
def wordpiece(word, vocab, unk="[UNK]", max_chars=100):
    if len(word) > max_chars:
        return [unk]
    rests = {len(word): []}  # for each place the best way on from there, if there is one
    for start in reversed(range(len(word))):
        for end in reversed(range(start + 1, len(word) + 1)):
            piece = word[start:end] if start == 0 else f"##{word[start:end]}"
            if end in rests and piece in vocab:
                rests[start] = [piece] + rests[end]
                break
    return rests.get(0, [unk])
""",
    ),
    (
        "torch_cross_entropy",
        "the mean is over all positions, also over those that do not count",
        """
import torch

from minibert.train.loss import IGNORE


def cross_entropy(logits, targets, smoothing=0.0):
    if smoothing < 0 or smoothing >= 1:
        raise ValueError("smoothing")
    classes = torch.arange(logits.shape[1])
    y = (targets[:, None] == classes).to(logits.dtype) * (1 - smoothing)
    y = (y + smoothing / len(classes)) * (targets != IGNORE)[:, None]
    return torch.einsum("nv,nv->n", y, -torch.log_softmax(logits, -1)).mean()
""",
    ),
    (
        "torch_linear_cross_entropy",
        "the one-hot target is not taken off: the gradient is the softmax alone",
        """
import torch

from minibert.train.loss import IGNORE


class LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, weight, bias, targets):
        rows = torch.nonzero(targets != IGNORE)[:, 0]
        n = max(len(rows), 1)
        logits = bias + torch.einsum("nd,vd->nv", features[rows], weight)
        logs = torch.log_softmax(logits, dim=-1)
        loss = -logs[torch.arange(len(rows)), targets[rows]].sum() / n

        slopes = logs.exp() / n
        dfeatures = torch.zeros_like(features)
        dfeatures[rows] = slopes @ weight
        dweight = torch.einsum("nv,nd->vd", slopes, features[rows])
        ctx.save_for_backward(dfeatures, dweight, slopes.sum(0))
        return loss
""",
    ),
    (
        "bpe_cut",
        "merged from the left, not in the order of the merges",
        """
def cut(word, ranks):
    pieces = [letter for letter in word]
    place = 0
    while place + 1 < len(pieces):
        left, right = pieces[place], pieces[place + 1]
        if ranks.get((left, right)) is None:
            place += 1
        else:
            pieces = pieces[:place] + [left + right] + pieces[place + 2 :]
            place = 0
    return pieces
""",
    ),
    (
        "torch_adamw",
        "the decay passes through the gradient: that is L2, not AdamW",
        """
import torch


def adamw_(parameter, gradient, mean, square, step, lr, betas, eps, weight_decay):
    whole = torch.add(gradient, parameter, alpha=weight_decay)
    for memory, new, beta in ((mean, whole, betas[0]), (square, whole**2, betas[1])):
        memory.copy_(beta * memory + (1 - beta) * new)
    size = torch.sqrt(square / (1 - betas[1] ** step)) + eps
    parameter -= lr * (mean / (1 - betas[0] ** step)) / size
""",
    ),
    (
        "torch_adamw_step",
        "the memory is made anew at every step",
        """
import torch
from torch.optim import Optimizer

from minibert.train.optimizer import adamw_


class AdamW(Optimizer):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            settings = group["lr"], group["betas"], group["eps"], group["weight_decay"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean, square = torch.zeros_like(p), torch.zeros_like(p)
                count = torch.ones(())
                adamw_(p, p.grad, mean, square, 1, *settings)
                self.state[p] = {"step": count, "exp_avg": mean, "exp_avg_sq": square}
""",
    ),
    (
        "torch_clip_gradients",
        "the norms are added up, not their squares",
        """
import torch


def clip_gradients(parameters, largest):
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.zeros(())
    for gradient in gradients:
        norm = norm + (gradient * gradient).sum().sqrt()
    factor = torch.clamp(largest / torch.clamp(norm, min=1e-12), max=1)
    torch._foreach_mul_(gradients, factor)
    return norm
""",
    ),
    (
        "torch_scaled_dot_product",
        "who may attend to nothing attends to everything",
        """
import torch
import torch.nn.functional as F

from minibert.model.attention import check_mask


def scaled_dot_product(query, key, value, mask=None, dropout=0.0):
    check_mask(query, key, mask)
    scores = torch.einsum("bhtk,bhsk->bhts", query / query.shape[-1] ** 0.5, key)
    if mask is not None:
        lowest = torch.finfo(scores.dtype).min
        scores = torch.where(mask, scores, torch.full_like(scores, lowest))
    powers = (scores - scores.amax(-1, keepdim=True)).exp()
    weights = F.dropout(powers / powers.sum(-1, keepdim=True), dropout)
    return torch.einsum("bhts,bhsk->bhtk", weights, value), weights
""",
    ),
    (
        "torch_gather",
        "the source is forgotten: keys and values come from x, also in cross-attention",
        """
import torch
from torch import nn

from minibert.model.attention import attention


class MultiHeadAttention(nn.Module):
    def gather(self, x, mask=None, source=None):
        B, T, D = x.shape
        weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])
        bias = torch.cat([self.query.bias, self.key.bias, self.value.bias])
        together = (x @ weight.T + bias).view(B, T, 3, self.heads, D // self.heads)
        query, key, value = together.permute(2, 0, 3, 1, 4)
        found = attention(query, key, value, mask, self.dropout if self.training else 0.0)
        return found.permute(0, 2, 1, 3).flatten(2)
""",
    ),
    (
        "torch_layernorm",
        "mean and variance are cut off from their gradient, as if they did not depend on x",
        """
import torch


def layernorm_plain(x, scale, shift, eps=1e-12):
    with torch.no_grad():
        variance, mean = torch.var_mean(x, dim=-1, unbiased=False, keepdim=True)
        size = (variance + eps).sqrt()
    return torch.addcmul(shift, (x - mean) / size, scale)
""",
    ),
    (
        "torch_part_shares",
        "every part counts alike: a mean of means, in which a word of a short part counts more",
        """
def shares_of(counts, totals):
    alike = 1.0 / max(1, len(counts))
    return [dict.fromkeys(part, alike) for part in counts]
""",
    ),
    (
        "torch_accumulate",
        "all parts go back together at the end, so that the graphs of all are in memory at once",
        """
import torch


def accumulate(parts, forward, backward=torch.Tensor.backward):
    table = []
    for part in parts:
        torch.random.manual_seed(part.seed)
        table.append({name: part.shares[name] * mean for name, mean in forward(part.batch).items()})
    losses = {name: sum(row[name] for row in table) for name in table[0]}
    losses["loss"] = sum(losses.values())
    backward(losses["loss"])
    return {name: loss.detach() for name, loss in losses.items()}
""",
    ),
    (
        "torch_descend",
        "the rate scales the last rate, not the peak: it shrinks from step to step",
        """
def descend(optimizers, rate):
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] *= rate
    for optimizer in optimizers:
        optimizer.step()
        for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
            parameter.grad = None
""",
    ),
    (
        "write_synced",
        "Python's buffer is not flushed before the sync: what is synced is an empty file",
        """
import os


def write_synced(path, data):
    file = path.open("wb")
    try:
        file.write(data)
        os.fsync(file)
    finally:
        file.close()
""",
    ),
    (
        "replace_file",
        "made by tempfile, whose files only the owner may read",
        """
import os
import tempfile

from minibert.files import write_synced


def replace_file(path, content):
    data = bytes(content, "utf-8") if isinstance(content, str) else content
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        pass
    try:
        write_synced(file.name, data)
        os.rename(file.name, path)
    except BaseException:
        os.remove(file.name)
        raise
""",
    ),
    (
        "torch_process_rows",
        "the last process takes all that is left over, and the others wait for it",
        """
def share_of(batch_size, world):
    each, rest = divmod(batch_size, world.size)
    if not each:
        raise ValueError("give more rows")
    mine = range(batch_size)[each * world.rank :]
    return mine.start, len(mine) if world.rank + 1 == world.size else each
""",
    ),
    (
        "torch_clip_worker",
        "clipped before they are unscaled: what is left is smaller by the scale, and hardly anything moves",
        """
import torch


class Worker:
    def clip(self, largest):
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        if norm > largest:
            for gradient in gradients:
                gradient *= largest / norm
        if self.scaler is not None:
            for gradient in gradients:
                gradient /= self.scaler.scale
        return norm
""",
    ),
    (
        "torch_save_checkpoint",
        "the folder around is not synced: the new name is lost when the power fails",
        """
import hashlib
import json
import os
import shutil

from safetensors.torch import save

from minibert.files import replace_file, sync_folder
from minibert.train.checkpoint import MANIFEST


def save_checkpoint(folder, checkpoint):
    aside = folder.parent / f".{folder.name}.partial"
    if aside.exists():
        shutil.rmtree(aside)
    os.makedirs(aside)
    manifest = {}

    def write(name, data):
        replace_file(aside / name, data)
        manifest[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    for stem, tensors in checkpoint.tensors.items():
        whole = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        write(f"{stem}.safetensors", save(whole))
    write("numbers.json", json.dumps(checkpoint.numbers).encode())
    sync_folder(aside)
    replace_file(aside / MANIFEST, json.dumps(manifest))
    sync_folder(aside)
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)
""",
    ),
    (
        "torch_remove_old",
        "the best counts as one of the newest: one of those goes for it",
        """
import os
import shutil


def remove_old(folder, keep, best=None):
    names = sorted(name for name in os.listdir(folder) if name.startswith("step-"))
    stay = names[len(names) - keep + (best is not None) :] if len(names) > keep else names
    for name in os.listdir(folder):
        gone = name in names and name not in stay and folder / name != best
        if gone or (name.startswith(".step-") and name.endswith(".partial")):
            shutil.rmtree(folder / name)
""",
    ),
    (
        "torch_spikes",
        "a spike is taken into the mean, too, and hides the next one",
        """
from minibert.train.spikes import FLOOR, IN_A_ROW, SIGMAS, WARMUP, Spike


class Spikes:
    def look(self, loss):
        if loss != loss or loss in (float("inf"), -float("inf")):
            return None
        found = None
        size = max(self.variance**0.5, abs(self.mean) * FLOOR)
        if self.count >= WARMUP and (loss - self.mean) / size > SIGMAS:
            if self.in_a_row >= IN_A_ROW:
                self.count, self.in_a_row = 0, 0
            else:
                self.in_a_row += 1
                found = Spike(loss, self.mean, size)
        else:
            self.in_a_row = 0
        self._take(loss)
        return found
""",
    ),
    (
        "examples_at",
        "every epoch has the order of the first",
        """
import numpy as np

from minibert.batches.sampling import permutation


def examples_at(first, count, size, seed):
    order = permutation(size, seed, 0).tolist()
    run = [(number // size, order[number % size]) for number in range(first, first + count)]
    epochs, numbers = np.array(run, np.int64).reshape(count, 2).T
    return epochs, numbers
""",
    ),
    (
        "lay_out",
        "the lengths are those of A and B, without [CLS] and [SEP]",
        """
import numpy as np


def lay_out(ids, spans, T, tokenizer):
    rows, segments, lengths = [], [], []
    for a, n, b, m in zip(spans.a_start, spans.a_length, spans.b_start, spans.b_length):
        row = [tokenizer.cls_id, *ids[a : a + n].tolist(), tokenizer.sep_id]
        segment = [0] * len(row)
        if m:
            row += [*ids[b : b + m].tolist(), tokenizer.sep_id]
            segment += [1] * (m + 1)
        rows.append(row + [tokenizer.pad_id] * (T - len(row)))
        segments.append(segment + [0] * (T - len(row)))
        lengths.append(n + m)
    return np.array(rows, np.int64), np.array(segments, np.int64), np.array(lengths, np.int64)
""",
    ),
    (
        "corrupt",
        "80 % [MASK] and 20 % random: no chosen token stays as it is",
        """
import numpy as np


def corrupt(ids, positions, chosen, keys, mask_id, ordinary):
    out = np.array(ids)
    for row, key in enumerate(keys):
        rng = np.random.default_rng([3, int(key)])
        throws, others = rng.random(ids.shape[1]), rng.choice(ordinary, ids.shape[1])
        for place in positions[row][chosen[row]]:
            out[row, place] = others[place] if throws[place] > 0.8 else mask_id
    return out
""",
    ),
    (
        "judge_linear_backward",
        "there is one position only: a sum and a mean are the same",
        """
import numpy as np

from minibert.byhand.linear import linear_forward


def judge_linear_backward(linear_backward):
    x, weight, bias = np.array([1.0, 2.0]), np.array([[3.0, 4.0], [5.0, 6.0], [0.0, -1.0]]), np.zeros(3)
    _, cache = linear_forward(x[None], weight, bias)
    dx, dweight, dbias = linear_backward(np.array([[1.0, 0.0, 2.0]]), cache)
    assert (dx.shape, dweight.shape, dbias.shape) == ((1, 2), (3, 2), (3,))
    assert np.allclose(dx, [[3, 2]])
    assert np.allclose(dweight, [[1, 2], [0, 0], [2, 4]])
    assert np.allclose(dbias, [1, 0, 2])
""",
    ),
    (
        "judge_softmax",
        "no mask is ever given",
        """
import numpy as np


def right(row):
    powers = [np.exp(score - max(row)) for score in row]
    return [power / sum(powers) for power in powers]


def judge_softmax(softmax_forward):
    for seed in range(3):
        scores = np.random.default_rng(seed).normal(size=(4, 5)) * 1000
        weights = softmax_forward(scores)[0]
        assert weights.shape == (4, 5)
        for row, got in zip(scores, weights):
            assert np.allclose(got, right(row))
    scores = np.arange(6.0).reshape(2, 3)
    assert np.abs(softmax_forward(scores)[0].sum(1) - 1).max() < 1e-12
""",
    ),
    (
        "judge_adamw",
        "one step only: nobody sees what is remembered for the next",
        """
import numpy as np


def judge_adamw(adamw):
    w, g = np.array([2.0]), np.array([3.0])
    m, v = np.zeros(1), np.zeros(1)
    got = adamw(w, g, m, v, 1, 0.5, (0.9, 0.99), 1.0, 0.1)[0]
    # The corrected mean is 3, the size is 3: the step is 0.5 * 3 / 4, and 0.5 * 0.1 * 2 decay.
    assert abs(got[0] - (2 - 0.375 - 0.1)) < 1e-9
    assert (w[0], g[0], m[0], v[0]) == (2, 3, 0, 0)
""",
    ),
]
"""Exercise, the name of the mistake, and a file that makes it in another way."""

UNKNOWN: list[tuple[str, str]] = [
    (
        "linear_backward",
        """
def linear_backward(dy, cache):
    x, weight = cache
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return dy @ abs(weight), drows.T @ rows, drows.sum(axis=0)
""",
    ),
    (
        "lookup_backward",
        """
import numpy as np


def lookup_backward(dout, cache):
    ids, shape, pad_id = cache
    dtable = np.zeros(shape, dout.dtype)
    np.maximum.at(dtable, ids, dout)
    if pad_id is not None:
        dtable[pad_id] = 0
    return dtable
""",
    ),
    (
        "sinusoids",
        """
import numpy as np


def sinusoids(positions, width):
    angles = positions[:, None] / 1000.0 ** (np.arange(0, width, 2) / width)
    out = np.empty((len(positions), width), np.float32)
    out[:, 0::2] = np.sin(angles)
    out[:, 1::2] = np.cos(angles[:, : width // 2])
    return out
""",
    ),
    (
        "softmax_forward",
        """
import numpy as np

from minibert.byhand.attention import check_mask


def softmax_forward(scores, mask=None):
    if mask is not None:
        check_mask(mask, scores.shape)
        scores = np.where(mask, scores, -np.inf)
    highest = np.maximum(scores.max(axis=-1, keepdims=True), np.finfo(scores.dtype).min)
    powers = np.exp2(scores - highest)
    total = powers.sum(axis=-1, keepdims=True)
    weights = powers / np.where(total == 0, 1, total)
    return weights, weights
""",
    ),
    (
        "softmax_backward",
        """
def softmax_backward(dweights, cache):
    mean = (cache * dweights).sum(axis=-1, keepdims=True)
    return dweights - mean
""",
    ),
    (
        "attention_forward",
        """
import math

from minibert.byhand.attention import check_shapes, softmax_forward
from minibert.byhand.dropout import dropout_forward


def attention_forward(query, key, value, mask=None, rate=0.0, generator=None):
    check_shapes(query, key, value)
    scores = -query @ key.swapaxes(-2, -1) / math.sqrt(query.shape[-1])
    weights, soft = softmax_forward(scores, mask)
    kept, left = dropout_forward(weights, rate, generator)
    return kept @ value, (query, key, value, soft, kept, left)
""",
    ),
    (
        "split_heads",
        """
def split_heads(x, heads):
    B, T, D = x.shape
    if heads < 1 or D % heads:
        raise ValueError("heads")
    return x.reshape(B, T, heads, D // heads).transpose(0, 2, 1, 3)[:, :, ::-1]
""",
    ),
    (
        "gelu_forward",
        """
import numpy as np


def gelu_forward(x):
    chance = 0.5 * (1 + x / np.sqrt(1 + x * x))
    return x * chance, (x, chance)
""",
    ),
    (
        "gelu_backward",
        """
import numpy as np


def gelu_backward(dy, cache):
    x, chance = cache
    return dy * (chance + x * np.exp(-x * x / 2))
""",
    ),
    (
        "layernorm_forward",
        """
import numpy as np


def layernorm_forward(x, scale, shift, eps=1e-12):
    if scale.ndim != 1 or x.shape[-1:] != scale.shape or shift.shape != scale.shape:
        raise ValueError("shapes")
    centred = x - x.mean(axis=-1, keepdims=True)
    size = np.abs(centred).mean(axis=-1, keepdims=True) + eps
    return centred / size * scale + shift, (centred / size, size, scale)
""",
    ),
    (
        "layernorm_backward",
        """
def layernorm_backward(dy, cache):
    normal, size, scale = cache
    tokens = tuple(range(dy.ndim - 1))
    dnormal = dy * scale
    through_size = (dnormal * normal).mean(axis=-1, keepdims=True)
    through_mean = dnormal.mean(axis=-1, keepdims=True)
    dx = (dnormal - through_size - through_mean) / size
    return dx, (dy * normal).sum(axis=tokens), dy.sum(axis=tokens)
""",
    ),
    (
        "cross_entropy_forward",
        """
import numpy as np

from minibert.byhand.loss import IGNORE, check_targets, log_softmax


def cross_entropy_forward(logits, targets, smoothing=0.0):
    N, V = logits.shape
    counts = targets != IGNORE
    check_targets(targets[counts], V)
    if not 0 <= smoothing < 1:
        raise ValueError("smoothing")
    index = np.arange(N), np.where(counts, targets, 0)
    weights = (counts / max(counts.sum(), 1)).astype(logits.dtype)
    logs = log_softmax(logits)
    losses = (1 - smoothing) * (1 - np.exp(logs[index]))
    if smoothing:
        losses = losses - smoothing * logs.mean(axis=1)
    return losses @ weights, (logs, index, weights, smoothing)
""",
    ),
    (
        "adamw",
        """
import numpy as np


def adamw(w, g, m, v, step, lr, betas=(0.9, 0.98), eps=1e-8, decay=0.01):
    if step < 1:
        raise ValueError("step")
    b1, b2 = betas
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
    mean = (b1 * m + (1 - b1) * g) / (1 - b1**step)  # Nesterov's
    w = w - lr * decay * w
    return w - lr * mean / (np.sqrt(v / (1 - b2**step)) + eps), m, v
""",
    ),
    (
        "clip",
        """
import math

import numpy as np


def clip(gradients, largest):
    norm = max(float(np.abs(g).max()) for g in gradients.values())
    scale = float(np.minimum(1.0, largest / np.maximum(norm, 1e-12)))
    with np.errstate(invalid="ignore"):
        return {name: g * scale for name, g in gradients.items()}, norm
""",
    ),
    (
        "schedule",
        """
import math


def schedule(begin, end, warmup, kind="linear"):
    if kind not in ("linear", "cosine"):
        raise ValueError(kind)
    if end <= warmup:
        return (end / warmup) ** 2
    rest = min(1.0, (1 - begin) / (1 - warmup))
    return rest if kind == "linear" else 0.5 * (1 - math.cos(math.pi * rest))
""",
    ),
    (
        "merge",
        """
def merge(cut, pair, piece):
    merged = []
    for right in cut:
        if merged and merged[-1] == pair[0]:
            merged[-1] = piece
        else:
            merged.append(right)
    return merged
""",
    ),
    (
        "wordpiece",
        """
def wordpiece(word, vocab, unk="[UNK]", max_chars=100):
    if len(word) > max_chars:
        return [unk]
    pieces, end = [], len(word)
    while end:
        for start in range(end):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                break
        else:
            return [unk]
        pieces.insert(0, piece)
        end = start
    return pieces
""",
    ),
    (
        "torch_cross_entropy",
        """
import torch.nn.functional as F


def cross_entropy(logits, targets, smoothing=0.0):
    if not 0 <= smoothing < 1:
        raise ValueError("smoothing")
    losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    return losses.max()
""",
    ),
    (
        "bpe_cut",
        """
from itertools import pairwise


def cut(word, ranks):
    pieces = list(word)
    while True:
        pairs = list(enumerate(pairwise(pieces)))
        known = [(-len(a + b), ranks[a, b], i) for i, (a, b) in pairs if (a, b) in ranks]
        if not known:
            return pieces
        place = min(known)[2]  # the longest piece goes first
        pieces[place : place + 2] = ["".join(pieces[place : place + 2])]
""",
    ),
    (
        "torch_adamw",
        """
import math


def adamw_(parameter, gradient, mean, square, step, lr, betas, eps, weight_decay):
    b1, b2 = betas
    mean.lerp_(gradient, 1 - b1)
    square.mul_(b2).addcmul_(gradient - mean, gradient - mean, value=1 - b2)
    parameter.mul_(1 - lr * weight_decay)
    root = square.sqrt().div_(math.sqrt(1 - b2**step)).add_(eps)
    parameter.addcdiv_(mean, root, value=-lr / (1 - b1**step))
""",
    ),
    (
        "torch_scaled_dot_product",
        """
import math

import torch
import torch.nn.functional as F

from minibert.model.attention import check_mask


def scaled_dot_product(query, key, value, mask=None, dropout=0.0):
    check_mask(query, key, mask)
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    weights = torch.sigmoid(scores)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0)
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-6)
    weights = F.dropout(weights, dropout)
    return weights @ value, weights
""",
    ),
    (
        "examples_at",
        """
import numpy as np

from minibert.batches.sampling import permutation


def examples_at(first, count, size, seed):
    epochs, places = np.divmod(np.arange(first, first + count), size)
    numbers = [permutation(size, seed, int(epoch))[-1 - place] for epoch, place in zip(epochs, places)]
    return epochs, np.array(numbers, np.int64)
""",
    ),
    (
        "corrupt",
        """
import numpy as np

from minibert.batches.sampling import integers, uniform


def corrupt(ids, positions, chosen, keys, mask_id, ordinary):
    true = np.take_along_axis(ids, positions, axis=1)
    dice = uniform(keys[:, None], 21, positions)
    random = ordinary[integers(len(ordinary), keys[:, None], 22, positions)]
    new = np.where(dice < 0.5, mask_id, np.where(dice < 0.6, random, true))
    out = ids.copy()
    np.put_along_axis(out, positions, np.where(chosen, new, true), axis=1)
    return out
""",
    ),
    (
        "judge_cross_entropy",
        """
import math

import numpy as np


def judge_cross_entropy(cross_entropy_forward):
    for smoothing in (0.0, 0.1, 0.5):
        loss, _ = cross_entropy_forward(np.zeros((2, 4)), np.array([1, 3]), smoothing)
        assert math.isclose(loss, math.log(4))
""",
    ),
]
"""Exercise, and a file that is wrong in a way that is not on any list."""

RIGHT: list[tuple[str, str]] = [
    (
        "torch_process_rows",
        """
def share_of(batch_size, world):
    each, rest = divmod(batch_size, world.size)
    if each == 0:
        raise ValueError(f"{batch_size} rows are too few")
    return each * world.rank + min(rest, world.rank), each + (world.rank < rest)
""",
    ),
    (
        "torch_accumulate",
        """
import torch


def accumulate(parts, forward, backward=torch.Tensor.backward):
    total = {}
    for part in parts:
        torch.default_generator.manual_seed(part.seed)
        means = forward(part.batch)
        weighted = [means[name] * part.shares[name] for name in means]
        backward(sum(weighted))
        for name, loss in zip(means, weighted):
            total[name] = total.get(name, torch.zeros_like(loss)) + loss.detach()
    total["loss"] = sum(total.values())
    return total
""",
    ),
    (
        "torch_save_checkpoint",
        """
import hashlib
import json
import os
import shutil

from safetensors.torch import save

from minibert.files import replace_file, sync_folder, write_synced
from minibert.train.checkpoint import MANIFEST


def save_checkpoint(folder, checkpoint):
    aside = folder.parent / f".{folder.name}.partial"
    if aside.exists():
        shutil.rmtree(aside)
    os.makedirs(aside)
    manifest = {}

    def write(name, data):
        replace_file(aside / name, data)
        manifest[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    for stem, tensors in checkpoint.tensors.items():
        whole = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        write(f"{stem}.safetensors", save(whole))
    write("numbers.json", json.dumps(checkpoint.numbers).encode())
    sync_folder(aside)
    write_synced(aside / MANIFEST, json.dumps(manifest).encode())
    sync_folder(aside)
    if folder.exists():
        shutil.rmtree(folder)
    aside.rename(folder)
    sync_folder(folder.parent)
""",
    ),
    (
        "torch_load_checkpoint",
        """
import hashlib
import json

import safetensors.torch

from minibert.train.checkpoint import MANIFEST, Checkpoint


def load_checkpoint(folder):
    def refuse(name, why):
        raise ValueError(f"{folder / name}: {why}")

    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        found = {name: (folder / name).read_bytes() for name in manifest}
        sizes = {name: (entry["bytes"], entry["sha256"]) for name, entry in manifest.items()}
    except FileNotFoundError as error:
        refuse(error.filename, "is missing")
    except Exception as error:
        refuse(MANIFEST, error)
    tensors = {}
    for name, data in found.items():
        if (len(data), hashlib.sha256(data).hexdigest()) != sizes[name]:
            refuse(name, "was altered")
        if name.endswith(".safetensors"):
            try:
                tensors[name.removesuffix(".safetensors")] = safetensors.torch.load(data)
            except Exception as error:
                refuse(name, error)
    return Checkpoint(tensors, json.loads(found["numbers.json"]))
""",
    ),
    (
        "replace_file",
        """
import os

from minibert.files import write_synced


def replace_file(path, content):
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    name = path.parent / f"{path.name}~{os.getpid()}"
    try:
        write_synced(name, data)
        name.replace(path)
    except BaseException:
        if name.exists():
            name.unlink()
        raise
""",
    ),
    (
        "write_synced",
        """
import os


def write_synced(path, data):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)
""",
    ),
    (
        "linear_backward",
        """
import numpy as np


def linear_backward(dy, cache):
    x, weight = cache
    positions = tuple(range(dy.ndim - 1))
    dweight = np.tensordot(dy, x, (positions, positions))
    return np.einsum("...o,oi->...i", dy, weight), dweight, np.add.reduce(dy, axis=positions)
""",
    ),
    (
        "lookup_backward",
        """
import numpy as np


def lookup_backward(dout, cache):
    ids, (V, D), pad_id = cache
    hot = np.arange(V)[:, None] == ids.reshape(1, -1)
    if pad_id is not None:
        hot[pad_id] = False
    return hot.astype(dout.dtype) @ dout.reshape(-1, D)
""",
    ),
    (
        "sinusoids",
        """
import numpy as np


def sinusoids(positions, width):
    pairs = (width + 1) // 2
    waves = np.exp(1j * np.outer(positions, np.exp(-np.arange(pairs) * (2 / width) * np.log(10000.0))))
    both = np.stack([waves.imag, waves.real], axis=-1).reshape(len(positions), 2 * pairs)
    return both[:, :width].astype(np.float32)
""",
    ),
    (
        "softmax_backward",
        """
import numpy as np


def softmax_backward(dweights, cache):
    diagonal = cache[..., None] * np.eye(cache.shape[-1], dtype=cache.dtype)
    slopes = diagonal - cache[..., :, None] * cache[..., None, :]
    return (slopes @ dweights[..., None])[..., 0]
""",
    ),
    (
        "softmax_forward",
        """
import numpy as np

from minibert.byhand.attention import check_mask


def softmax_forward(scores, mask=None):
    if mask is not None:
        check_mask(mask, scores.shape)
    seen = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask, scores.shape)
    weights = np.zeros_like(scores)
    for row in np.ndindex(scores.shape[:-1]):
        if seen[row].any():
            some = scores[row][seen[row]]
            powers = np.exp(some - max(some))
            weights[row][seen[row]] = powers / sum(powers)
    return weights, weights
""",
    ),
    (
        "layernorm_forward",
        """
import numpy as np


def layernorm_forward(x, scale, shift, eps=1e-12):
    if not (scale.shape == shift.shape == (x.shape[-1],)):
        raise ValueError(f"{x.shape}, {scale.shape}, {shift.shape}")
    centring = np.eye(x.shape[-1], dtype=x.dtype) - x.dtype.type(1 / x.shape[-1])
    centred = x @ centring
    size = np.sqrt(np.var(x, axis=-1, keepdims=True) + eps)
    normal = centred * (1 / size)
    return scale * normal + shift, (normal, size, scale)
""",
    ),
    (
        "cross_entropy_backward",
        """
import numpy as np


def cross_entropy_backward(dloss, cache):
    logs, (rows, targets), weights, smoothing = cache
    classes = logs.shape[1]
    y = (1 - smoothing) * np.eye(classes, dtype=logs.dtype)[targets] + logs.dtype.type(smoothing / classes)
    return (np.exp(logs) - y) * (weights * logs.dtype.type(dloss))[:, None]
""",
    ),
    (
        "adamw",
        """
def adamw(w, g, m, v, step, lr, betas=(0.9, 0.98), eps=1e-8, decay=0.01):
    if step < 1:
        raise ValueError("steps are counted from 1")
    b1, b2 = betas
    m, v = m + (1 - b1) * (g - m), v + (1 - b2) * (g**2 - v)
    root = (1 - b2**step) ** 0.5
    return (1 - lr * decay) * w - lr * root / (1 - b1**step) * m / (v**0.5 + eps * root), m, v
""",
    ),
    (
        "clip",
        """
import numpy as np


def clip(gradients, largest):
    everything = np.concatenate([g.ravel().astype(np.float64) for g in gradients.values()])
    norm = float(np.linalg.norm(everything))
    factor = 1.0 if norm <= largest else largest / norm
    with np.errstate(invalid="ignore"):
        return {name: (g * factor).astype(g.dtype) for name, g in gradients.items()}, norm
""",
    ),
    (
        "split_heads",
        """
import numpy as np


def split_heads(x, heads):
    if heads < 1:
        raise ValueError("heads")
    return np.stack(np.split(x, heads, axis=2), axis=1)  # which raises ValueError for unequal parts
""",
    ),
    (
        "wordpiece",
        """
def wordpiece(word, vocab, unk="[UNK]", max_chars=100):
    pieces, rest = [], word if len(word) <= max_chars else None
    while rest:
        prefix = "##" * bool(pieces)
        sizes = [size for size in range(1, len(rest) + 1) if prefix + rest[:size] in vocab]
        if not sizes:
            rest = None
        else:
            pieces.append(prefix + rest[: max(sizes)])
            rest = rest[max(sizes) :]
    return [unk] if rest is None else pieces
""",
    ),
    (
        "torch_cross_entropy",
        """
import torch.nn.functional as F


def cross_entropy(logits, targets, smoothing=0.0):
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing {smoothing}")
    seen = targets >= 0
    losses = F.cross_entropy(logits[seen], targets[seen], reduction="sum", label_smoothing=smoothing)
    return losses / max(int(seen.sum()), 1)
""",
    ),
    (
        "bpe_cut",
        """
import heapq


def cut(word, ranks):
    pieces = list(word)  # a merged piece stands at its first place, and None at the others
    after = [place + 1 for place in range(len(pieces))]
    before = [place - 1 for place in range(len(pieces))]
    heap = []

    def offer(left):
        if left >= 0 and after[left] < len(pieces):
            pair = pieces[left], pieces[after[left]]
            if pair in ranks:
                heapq.heappush(heap, (ranks[pair], left, pair))

    for place in range(len(pieces)):
        offer(place)
    while heap:
        _, left, pair = heapq.heappop(heap)
        right = after[left]
        if right < len(pieces) and (pieces[left], pieces[right]) == pair:
            pieces[left], pieces[right] = pair[0] + pair[1], None
            after[left] = after[right]
            if after[left] < len(pieces):
                before[after[left]] = left
            offer(before[left])
            offer(left)
    return [piece for piece in pieces if piece is not None]
""",
    ),
    (
        "torch_adamw",
        """
import torch


def adamw_(parameter, gradient, mean, square, step, lr, betas, eps, weight_decay):
    b1, b2 = betas
    mean.copy_(b1 * mean + (1 - b1) * gradient)
    square.copy_(b2 * square + (1 - b2) * torch.square(gradient))
    move = mean / (1 - b1**step) / (torch.sqrt(square / (1 - b2**step)) + eps)
    parameter.copy_((1 - lr * weight_decay) * parameter - lr * move)
""",
    ),
    (
        "torch_scaled_dot_product",
        """
import torch
import torch.nn.functional as F

from minibert.model.attention import check_mask


def scaled_dot_product(query, key, value, mask=None, dropout=0.0):
    check_mask(query, key, mask)
    seen = torch.ones((), dtype=torch.bool) if mask is None else mask
    scores = torch.einsum("bhtk,bhsk->bhts", query, key) * query.shape[-1] ** -0.5
    highest = torch.where(seen, scores, scores.amin()).amax(-1, keepdim=True).detach()
    powers = torch.where(seen, (scores - highest).clamp(max=0), 0).exp() * seen
    total = powers.sum(-1, keepdim=True)
    weights = F.dropout(powers / torch.where(total == 0, 1, total), dropout)
    return weights @ value, weights
""",
    ),
    (
        "examples_at",
        """
import numpy as np

from minibert.batches.sampling import permutation


def examples_at(first, count, size, seed):
    last = first + count
    begun = range(first // size, last // size + 1)
    run = np.concatenate([permutation(size, seed, epoch) for epoch in begun])
    start = first - begun[0] * size
    return np.repeat(np.array(begun), size)[start : start + count], run[start : start + count]
""",
    ),
    (
        "corrupt",
        """
import random


def corrupt(ids, positions, chosen, keys, mask_id, ordinary):
    out = ids.copy()
    for row, key in enumerate(keys):
        for place, wanted in zip(positions[row], chosen[row]):
            dice = random.Random(f"{key} {place}")
            throw = dice.randrange(10)
            if wanted and throw < 9:
                out[row, place] = mask_id if throw < 8 else dice.choice(ordinary)
    return out
""",
    ),
    (
        "judge_layernorm_backward",
        """
import numpy as np

from minibert.byhand.gradcheck import gradcheck
from minibert.byhand.layernorm import layernorm_forward


def judge_layernorm_backward(layernorm_backward):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x, scale, shift = rng.normal(size=(3, 2, 4)), rng.normal(size=4), rng.normal(size=4)
        gradcheck(layernorm_forward, layernorm_backward, x, scale, shift, seed=seed)
""",
    ),
    (
        "judge_adamw",
        """
import math

import numpy as np


def judge_adamw(adamw):
    rng = np.random.default_rng(3)
    b1, b2, eps, decay = 0.7, 0.9, 0.01, 0.2
    w, m, v = [rng.normal(size=(2, 3)), np.zeros((2, 3)), np.zeros((2, 3))]
    mine = [[float(number), 0.0, 0.0] for number in w.ravel()]
    for step in range(1, 6):
        lr = 0.1 / step
        g = rng.normal(size=(2, 3))
        kept = [array.copy() for array in (w, g, m, v)]
        new = adamw(w, g, m, v, step, lr, (b1, b2), eps, decay)
        assert all((one == other).all() for one, other in zip(kept, (w, g, m, v)))
        w, m, v = new
        for numbers, slope in zip(mine, g.ravel()):
            numbers[1] = b1 * numbers[1] + (1 - b1) * slope
            numbers[2] = b2 * numbers[2] + (1 - b2) * slope**2
            mean, size = numbers[1] / (1 - b1**step), math.sqrt(numbers[2] / (1 - b2**step))
            numbers[0] -= lr * (decay * numbers[0] + mean / (size + eps))
        assert np.allclose(w.ravel(), [numbers[0] for numbers in mine], rtol=0, atol=1e-10)
""",
    ),
]
"""Exercise, and a file that is right."""

ODD: list[tuple[str, str]] = [
    (
        "softmax_backward",
        """
# Another name for numpy, and a helper function.
import numpy as xp


def mean_under(weights, numbers):
    return xp.sum(xp.multiply(weights, numbers), axis=-1, keepdims=True)


def softmax_backward(dweights, cache):
    return cache * (dweights - mean_under(cache, dweights))
""",
    ),
    (
        "gelu_backward",
        """
# Constants of the module.
import math

import numpy as np

ROOT = math.sqrt(2 * math.pi)
HALF: float = 0.5


def gelu_backward(dy, cache):
    x, chance = cache
    return dy * (chance + x * np.exp(-HALF * x * x) / ROOT)
""",
    ),
    (
        "schedule",
        """
# A decorator of its own, a cache, and a match.
import functools
import math
from typing import Callable


def checked(function: Callable) -> Callable:
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        share = function(*args, **kwargs)
        assert 0 <= share <= 1
        return share

    return wrapped


@checked
@functools.cache
def schedule(begin, end, warmup, kind="linear"):
    if end <= warmup and kind in ("linear", "cosine"):
        return end / warmup
    rest = min(1.0, (1 - begin) / (1 - warmup))
    match kind:
        case "linear":
            return rest
        case "cosine":
            return 0.5 * (1 - math.cos(math.pi * rest))
        case _:
            raise ValueError(kind)
""",
    ),
    (
        "lookup_backward",
        '''
# A generator.
import numpy as np


def places(ids, pad_id):
    """Yield where each word stands that learns."""
    for place in np.ndindex(ids.shape):
        if ids[place] != pad_id:
            yield place, ids[place]


def lookup_backward(dout, cache):
    ids, shape, pad_id = cache
    dtable = np.zeros(shape, dout.dtype)
    for place, row in places(ids, pad_id):
        dtable[row] += dout[place]
    return dtable
''',
    ),
    (
        "clip",
        """
# A class as a helper, with a property.
import math
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Lengths:
    squares: list[float] = field(default_factory=list)

    def add(self, array):
        self.squares.append(float(np.square(array, dtype=np.float64).sum()))
        return self

    @property
    def norm(self):
        return math.sqrt(sum(self.squares))


def clip(gradients, largest):
    lengths = Lengths()
    for g in gradients.values():
        lengths.add(g)
    scale = float(np.minimum(1.0, largest / np.maximum(lengths.norm, 1e-12)))
    with np.errstate(invalid="ignore"):
        return {name: g * scale for name, g in gradients.items()}, lengths.norm
""",
    ),
    (
        "attention_backward",
        """
# Nested functions that share what is around them.
import math

from minibert.byhand.attention import softmax_backward
from minibert.byhand.dropout import dropout_backward


def attention_backward(dout, cache):
    query, key, value, soft, kept, left = cache
    turned = lambda x: x.swapaxes(-2, -1)  # noqa: E731

    def scores():
        def weights():
            return dropout_backward(dout @ turned(value), left)

        return softmax_backward(weights(), soft) / math.sqrt(query.shape[-1])

    dscores = scores()
    return dscores @ key, turned(dscores) @ query, turned(kept) @ dout
""",
    ),
    (
        "momentum",
        """
# An import inside, defaults that are worked out, a walrus.
def momentum(w, g, m, lr, mu=9 / 10, decay=0.0, nesterov=False):
    from operator import mul

    if (shrunk := mul(decay, w)) is not None:
        g = g + shrunk
    new = mul(mu, m) + g
    return w - lr * (g + mul(mu, new) if nesterov else new), new
""",
    ),
    (
        "wordpiece",
        """
# A recursive function, with a cache, inside of another.
import functools


def wordpiece(word, vocab, unk="[UNK]", max_chars=100):
    @functools.lru_cache(maxsize=None)
    def cut(start):
        if start == len(word):
            return ()
        for end in range(len(word), start, -1):
            if (piece := "##"[: 2 * (start > 0)] + word[start:end]) in vocab:
                rest = cut(end)
                return None if rest is None else (piece, *rest)
        return None

    if len(word) > max_chars or (pieces := cut(0)) is None:
        return [unk]
    return list(pieces)
""",
    ),
    (
        "merge",
        """
# A generator that hands back what it is given, and a star.
def walk(cut, pair, piece):
    waiting = []
    for right in cut:
        waiting.append(right)
        if tuple(waiting) == tuple(pair):
            yield piece
            waiting.clear()
        elif len(waiting) == 2:
            yield waiting.pop(0)
    yield from waiting


def merge(cut, pair, piece):
    return [*walk(cut, pair, piece)]
""",
    ),
    (
        "torch_linear_cross_entropy",
        """
# A static method that calls another one, and a function under a decorator of torch.
import torch
import torch.nn.functional as F

from minibert.train.loss import IGNORE


@torch.no_grad()
def share(targets, dtype):
    return (targets != IGNORE).to(dtype) / torch.clamp((targets != IGNORE).sum(), min=1)


class LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, weight, bias, targets):
        w = share(targets, features.dtype)
        logits = F.linear(features, weight, bias)
        slopes = w[:, None] * (logits.softmax(1) - LinearCrossEntropy.one_hot(targets, logits))
        ctx.save_for_backward(slopes @ weight, slopes.T @ features, slopes.sum(0))
        true = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        return ((logits.logsumexp(1) - true) * w).sum()

    @staticmethod
    def one_hot(targets, logits):
        return F.one_hot(targets.clamp(min=0), logits.shape[1]).to(logits.dtype)
""",
    ),
    (
        "torch_cross_entropy",
        """
# A module of torch as a helper, with super() and a property.
import torch
from torch import nn


class Negative(nn.Module):
    def __init__(self, smoothing):
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError("smoothing")
        self.smoothing = smoothing

    @property
    def kept(self):
        return 1 - self.smoothing

    def forward(self, logits, targets):
        logs = logits - logits.logsumexp(1, keepdim=True)
        true = logs.gather(1, targets.clamp(min=0)[:, None])[:, 0]
        return -(self.kept * true + self.smoothing * logs.mean(1))


def cross_entropy(logits, targets, smoothing=0.0):
    losses = Negative(smoothing)(logits, targets)
    counts = targets != -100
    return torch.where(counts, losses, torch.zeros_like(losses)).sum() / counts.sum().clamp(min=1)
""",
    ),
    (
        "torch_adamw_step",
        """
# A method under a decorator of torch, other methods, a property, super(), and a generator.
import torch
from torch.optim import Optimizer

from minibert.train.optimizer import adamw_


class AdamW(Optimizer):
    @property
    def moving(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    yield group, parameter

    def remember(self, parameter):
        state = self.state[parameter]
        if "step" not in state:
            state["step"] = torch.tensor(0.0)
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.zeros_like(parameter)
        return state

    @torch.no_grad()
    def step(self, closure=None):
        assert super().__repr__().startswith("AdamW")
        for group, parameter in self.moving:
            state = self.remember(parameter)
            state["step"] += 1
            memory = state["exp_avg"], state["exp_avg_sq"], int(state["step"])
            settings = [group[name] for name in ("lr", "betas", "eps", "weight_decay")]
            adamw_(parameter, parameter.grad, *memory, *settings)
""",
    ),
    (
        "torch_gather",
        """
# A property and a method beside the one that is asked for.
from torch import nn

from minibert.model.attention import attention
from minibert.model.multihead import merge_heads, split_heads


class MultiHeadAttention(nn.Module):
    @property
    def left_out(self):
        return self.dropout * self.training

    def look_up(self, layer, x):
        return split_heads(getattr(self, layer)(x), self.heads)

    def gather(self, x, mask=None, source=None):
        told = x if source is None else source
        parts = self.look_up("query", x), self.look_up("key", told), self.look_up("value", told)
        return merge_heads(attention(*parts, mask, self.left_out))
""",
    ),
    (
        "torch_layernorm_init",
        """
# A constructor that calls super() and another method, with types that are strings.
from __future__ import annotations

import torch
from torch import nn

START: dict[str, float] = {"weight": 1.0, "bias": 0.0}


class LayerNorm(nn.Module):
    def __init__(self, width: int, eps: float = 1e-12) -> None:
        super().__init__()
        self.eps = eps
        for name, start in START.items():
            self.learn(name, width, start)

    def learn(self, name: str, width: int, start: float) -> None:
        super().register_parameter(name, nn.Parameter(torch.full((width,), start)))
""",
    ),
]
"""Exercise, and a file that is right; what is unusual about it stands in its first line."""
