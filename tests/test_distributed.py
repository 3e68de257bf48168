"""Many processes train like one: the same losses, the same weights, and nobody waits for the dead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from by_hand import by_hand
from processes import together
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from minibert.batches.batch import IGNORE, Batch
from minibert.config import BertConfig
from minibert.learn.checks import train_distributed as checks
from minibert.model.bert import BertForPretraining
from minibert.recipes.learning import pretraining_loss
from minibert.train.checkpoint import (
    load_model_tensors,
    load_optimizer_tensors,
    model_tensors,
    optimizer_tensors,
)
from minibert.train.distributed import (
    ALONE,
    Objective,
    World,
    gathered,
    joined,
    require_device,
    share_of,
    spread,
    synchronised,
)
from minibert.train.optimizer import AdamW, Muon, clip_gradients, decay_groups
from minibert.train.sharding import whole

test_by_hand = by_hand(checks, examples=1)

CONFIG = BertConfig(
    vocab_size=51,
    width=16,
    layers=2,
    heads=2,
    feedforward=64,
    max_positions=16,
    dropout=0,
    attention_dropout=0,
)
ROWS = 12
"""Of a whole batch."""

CASES = {
    "replicas": (False, None),
    "replicas in micro-batches": (False, 2),
    "shards": (True, None),
    "shards in micro-batches": (True, 2),
}
"""What is spread and how: whether sharded, and the rows of a micro-batch."""

WHOLE, PARTS = ["replicas", "shards"], ["replicas in micro-batches", "shards in micro-batches"]
SIZES = {2: WHOLE + PARTS, 3: WHOLE, 4: PARTS}
"""Number of processes -> the cases that are tried with it."""


def rows(step: int, first: int, count: int) -> Batch:
    """Return some rows of the batch of a step; the first two have one word to predict, the next two, …"""
    g = torch.Generator().manual_seed(step)
    ids = torch.randint(5, CONFIG.vocab_size, (ROWS, 16), generator=g)
    pairs = torch.randint(2, (ROWS,), generator=g)
    words = torch.arange(4)
    targets = ids[:, :4].masked_fill(words > torch.arange(ROWS)[:, None] // 2 % 4, IGNORE)
    mine = slice(first, first + count)
    slots = (16 * torch.arange(count)[:, None] + words).flatten()
    return Batch(ids[mine], torch.zeros_like(ids[mine]), None, slots, targets[mine].flatten(), pairs[mine])


def counts(batch: Batch) -> dict[str, int]:
    assert batch.pair_labels is not None
    return {"word_loss": int((batch.targets != IGNORE).sum()), "pair_loss": len(batch.pair_labels)}


class Trainee:
    """A tiny BERT in training, alone or spread over processes."""

    def __init__(self, world: World, shard: bool, micro_batch: int | None, device: str = "cpu") -> None:
        self.world, self.micro_batch, self.device = world, micro_batch, world.device(device)
        self.model = BertForPretraining(CONFIG, torch.Generator().manual_seed(0)).to(self.device)
        self.module = spread(Objective(self.model, pretraining_loss), world, shard)
        self.optimizers = self.make_optimizers(fused=micro_batch is None)

    def make_optimizers(self, fused: bool) -> list[Optimizer]:
        blocks = self.model.bert.blocks
        matrices = [m.weight for m in blocks.modules() if isinstance(m, nn.Linear)]
        theirs = {id(p) for p in matrices}
        rest = decay_groups((p for p in self.model.parameters() if id(p) not in theirs), 0.1)
        adamw = torch.optim.AdamW(rest, lr=1e-3, fused=True) if fused else AdamW(rest, lr=1e-3)
        return [adamw, Muon(matrices, lr=0.01)]

    def step(self, step: int) -> list[float]:
        """Take a step and return the losses of its whole batch and the norm of the gradient."""
        of_all = counts(rows(step, 0, ROWS))
        first, count = share_of(ROWS, self.world)
        size = self.micro_batch or count
        shares = dict.fromkeys(of_all, 0.0)
        for at in range(first, first + count, size):
            batch = rows(step, at, min(size, first + count - at))
            with synchronised(self.module, last=at + size >= first + count):
                losses = self.module(batch.to(self.device))
                parts = {n: loss * counts(batch)[n] / of_all[n] for n, loss in losses.items()}
                torch.stack(list(parts.values())).sum().backward()
            shares = {n: share + float(parts[n].detach()) for n, share in shares.items()}
        norm = whole(clip_gradients(self.model.parameters(), 0.5))
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return [*self.world.sum(list(shares.values())), float(norm)]

    def loss(self) -> float:
        """Return the loss of the model as an evaluation calls it."""
        batch = rows(99, 0, ROWS).to(self.device)
        with gathered(self.module), torch.no_grad():
            return float(torch.stack(list(pretraining_loss(self.model, batch).values())).sum())

    def state(self) -> dict[str, Tensor]:
        """Return weights and optimisers' tensors, whole and by name, as a checkpoint has them."""
        tensors = model_tensors(self.model) | optimizer_tensors(self.optimizers)
        return {name: whole(tensor.detach()).clone() for name, tensor in tensors.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        load_model_tensors(self.model, {n: t for n, t in state.items() if "/" not in n})
        load_optimizer_tensors(self.optimizers, {n: t.clone() for n, t in state.items() if "/" in n})


def learned(trainee: Trainee) -> dict[str, Tensor]:
    """Return what twenty steps did, and what an evaluation says before and after them."""
    before = trainee.loss()
    history = torch.tensor([trainee.step(step) for step in range(20)])
    return {"history": history, "losses": torch.tensor([before, trainee.loss()])} | trainee.state()


def learn_all(world: World, folder: Path, device: str = "cpu") -> None:
    for name in SIZES[world.size]:
        trainee = Trainee(world, *CASES[name], device=device)
        result = learned(trainee)
        assert trainee.model.words.weight is trainee.model.bert.embedding.tokens.weight
        if world.rank == 0:
            save_file(result, folder / f"{name}.safetensors")


@cache
def by_one(micro_batch: int | None) -> dict[str, Tensor]:
    return learned(Trainee(ALONE, False, micro_batch))


@pytest.fixture(scope="module")
def by_many(tmp_path_factory) -> Callable[[int], Path]:
    """Return the folder with what so many processes have learned."""

    @cache
    def run(size: int) -> Path:
        folder = tmp_path_factory.mktemp("many")
        assert together(size, learn_all, folder) == [0] * size
        return folder

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("size", "name"), [(size, name) for size, names in SIZES.items() for name in names])
def test_many_processes_train_like_one(by_many, size, name):
    got, expected = load_file(by_many(size) / f"{name}.safetensors"), by_one(CASES[name][1])
    assert got.keys() == expected.keys()
    for tensor in expected:
        torch.testing.assert_close(
            got[tensor], expected[tensor], rtol=1e-5, atol=1e-5, msg=lambda m, t=tensor: f"{t}: {m}"
        )


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices; above it is CPUs")
def test_two_gpus_train_like_one_process(tmp_path):
    assert together(2, partial(learn_all, device="cuda"), tmp_path, device="cuda") == [0, 0]
    for name, (_, micro_batch) in CASES.items():
        got, expected = load_file(tmp_path / f"{name}.safetensors"), by_one(micro_batch)
        torch.testing.assert_close(got["history"], expected["history"], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_shares_hold_different_numbers_of_words(size):
    # So a mean of the processes' means would be found out in the tests above and below.
    words = [counts(rows(0, *share_of(ROWS, World(rank, size))))["word_loss"] for rank in range(size)]
    assert len(set(words)) > 1, words


def go_on(world: World, folder: Path) -> None:
    """Go on after one step of these processes, and after two steps of a single one."""
    for shard in (False, True):
        through = Trainee(world, shard, 2)
        through.step(0)
        stopped = through.state()
        resumed = Trainee(world, shard, 2)
        resumed.load(stopped)
        for step in (1, 2, 3):
            through.step(step)
            resumed.step(step)
        state = resumed.state()
        for name, tensor in through.state().items():
            assert torch.equal(tensor, state[name]), f"{name}, shard {shard}"

        heir = Trainee(world, shard, 2)
        heir.load(load_file(folder / "of one.safetensors"))
        for step in (2, 3):
            heir.step(step)
        state = heir.state()
        if world.rank == 0:
            save_file(stopped, folder / f"of many, {shard}.safetensors")
            save_file(state, folder / f"end, {shard}.safetensors")


@pytest.mark.slow
def test_a_run_goes_on_to_the_bit_and_on_any_number_of_processes(tmp_path):
    alone = Trainee(ALONE, False, 2)
    for step in range(4):
        if step == 2:
            save_file(alone.state(), tmp_path / "of one.safetensors")
        alone.step(step)
    assert together(3, go_on, tmp_path) == [0, 0, 0]

    for shard in (False, True):
        heir = Trainee(ALONE, False, 2)
        heir.load(load_file(tmp_path / f"of many, {shard}.safetensors"))
        for step in (1, 2, 3):
            heir.step(step)
        for state in (load_file(tmp_path / f"end, {shard}.safetensors"), heir.state()):
            for name, tensor in alone.state().items():
                torch.testing.assert_close(state[name], tensor, rtol=1e-5, atol=1e-5)


def freeze(world: World, folder: Path) -> None:
    """Train with a part of the model that gets no gradient."""
    for shard in (False, True):
        model = BertForPretraining(CONFIG, torch.Generator().manual_seed(0))
        frozen = [model.pairs.weight, model.pairs.bias, model.bert.pooler.weight, model.bert.pooler.bias]
        for parameter in frozen:
            parameter.requires_grad_(False)
        module = spread(Objective(model, words_alone), world, shard)
        for step in range(3):
            with synchronised(module, last=True):
                module(rows(step, *share_of(ROWS, world)))["word_loss"].backward()
            without = [name for name, p in model.named_parameters() if p.grad is None]
            assert len(without) == len(frozen), without


def words_alone(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"word_loss": pretraining_loss(model, batch)["word_loss"]}


@pytest.mark.slow
def test_a_part_of_the_model_may_be_frozen(tmp_path):
    assert together(2, freeze, tmp_path) == [0, 0]


def meet(world: World, folder: Path) -> None:
    assert world.sum([1.0, 10.0**world.rank]) == [2.0, 11.0]
    with world.first():
        others = [path.name for path in folder.glob("was here *")]
        time.sleep(0.2)
        (folder / f"was here {world.rank}").touch()
    assert others == ([] if world.rank == 0 else ["was here 0"])
    time.sleep(0.2 * world.rank)
    (folder / f"ready {world.rank}").touch()
    world.barrier()
    assert len(list(folder.glob("ready *"))) == 2


@pytest.mark.slow
def test_processes_add_up_their_numbers_and_wait_for_each_other(tmp_path):
    assert together(2, meet, tmp_path) == [0, 0]


def fail_first(world: World, folder: Path) -> None:
    try:
        with world.first():
            raise ValueError("the corpus is empty")
    except ValueError as error:
        (folder / f"error {world.rank}").write_text(str(error))


@pytest.mark.slow
def test_what_fails_in_the_first_process_fails_in_the_others(tmp_path):
    assert together(2, fail_first, tmp_path) == [0, 0]
    assert [(tmp_path / f"error {rank}").read_text() for rank in (0, 1)] == ["the corpus is empty"] * 2


def kill_one(world: World, folder: Path) -> None:
    if world.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    world.barrier()


def fail_one(world: World, folder: Path) -> None:
    if world.rank == 1:
        raise ValueError("not my day")
    world.barrier()


@pytest.mark.slow
@pytest.mark.parametrize(("work", "code"), [(kill_one, -signal.SIGKILL), (fail_one, 1)])
def test_nobody_waits_for_a_process_that_is_gone(tmp_path, work, code):
    left, gone = together(2, work, tmp_path, seconds=60)
    # A thread of gloo may meet the closed connection first, while the error ends the process: it then aborts.
    assert gone == code and left in (1, -signal.SIGABRT)


@pytest.mark.slow
def test_torchrun_tells_each_process_its_number(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from minibert.train.distributed import joined\n"
        "with joined('cpu') as world:\n"
        "    sums = world.sum([world.rank, world.size])\n"
        "    Path(__file__).with_name(f'rank {world.rank}').write_text(str(sums))\n"
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*torchrun, str(script)], check=True, timeout=60, capture_output=True)
    assert [(tmp_path / f"rank {rank}").read_text() for rank in (0, 1)] == ["[1.0, 4.0]"] * 2


def test_an_old_torch_that_cannot_sum_in_shards_is_refused(monkeypatch):
    # Imported here: it takes a second, for which most of the processes above need not wait.
    from torch.distributed.fsdp import FSDPModule

    monkeypatch.delattr(FSDPModule, "set_force_sum_reduction_for_comms")
    objective = Objective(BertForPretraining(CONFIG), pretraining_loss)
    with pytest.raises(ValueError, match=r"--shard takes torch 2\.8 or newer, this is "):
        spread(objective, World(0, 2), shard=True)


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    assert World(5, 8, 1).device("cuda") == torch.device("cuda", 1)
    assert World(5, 8, 1).device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    require_device("cuda", World(3, 4, 1))
    with pytest.raises(ValueError, match="process 2 of this machine needs a GPU of its own, and there are 2"):
        require_device("cuda", World(2, 4, 2))
    with pytest.raises(ValueError, match="several processes train on cpu or cuda, not on mps"):
        require_device("mps", World(0, 2, 0))


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (12, 1, [(0, 12)]),
        (12, 4, [(0, 3), (3, 3), (6, 3), (9, 3)]),
        (11, 3, [(0, 3), (3, 4), (7, 4)]),
        (3, 3, [(0, 1), (1, 1), (2, 1)]),
    ],
)
def test_the_rows_of_a_batch_are_shared_out_in_order(rows, size, expected):
    assert [share_of(rows, World(rank, size)) for rank in range(size)] == expected


def test_a_batch_smaller_than_the_processes_is_refused():
    with pytest.raises(ValueError, match="a batch of 3 sequences is too small for 4 processes"):
        share_of(3, World(0, 4))


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("cpu") as world:
        assert world is ALONE
        assert world.sum([1.5, 2.0]) == [1.5, 2.0]
        with world.first():
            world.barrier()
