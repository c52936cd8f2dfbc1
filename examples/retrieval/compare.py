r"""What H-AP as a loss is worth: glyph retrieval, trained by classes alone and by the sum of both losses.

    python -m examples.retrieval.compare --out out/glyphs

Takes under five minutes on two cores. Prints hierarchical average precision (H-AP) on characters of fonts never seen,
and draws the hardest of them with what is found in their place.
"""

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning.pytorch import Trainer, seed_everything
from torch import nn
from torch.optim import Adam

from examples.retrieval.glyphs import GlyphData
from examples.retrieval.hardest import draw_hardest
from examples.retrieval.model import Embedder
from examples.retrieval.module import RetrievalModule
from hardest_metrics.losses import ClusterLoss, HAPPIERLoss

LOSSES: dict[str, Callable[[int, int], nn.Module]] = {
    "cluster loss alone": ClusterLoss,
    "0.9 H-AP + 0.1 cluster loss": HAPPIERLoss,
}


def glyph_embedder(dim: int = 64) -> Embedder:
    """A network that two cores train in a minute: three convolutions and a linear head."""
    layers: list[nn.Module] = []
    for channels, more in ((1, 16), (16, 32), (32, 64)):
        convolution = nn.Conv2d(channels, more, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(more), nn.ReLU(), nn.MaxPool2d(2)]
    return Embedder(nn.Sequential(*layers, nn.Flatten()), nn.Linear(64 * 16, dim), dim)


def train(loss: Callable[[int, int], nn.Module], data: GlyphData, steps: int, seed: int) -> RetrievalModule:
    """Train a network, and judge it: ``module.embedded`` holds the validation images' embeddings.

    Args:
        loss: from the number of classes and the dimension of embeddings to a loss.
        data: glyphs.
        steps: batches to learn from.
        seed: of weights and batches.
    """
    seed_everything(seed, verbose=False)

    def adam(groups: object) -> Adam:
        return Adam(groups, lr=1e-3)  # type: ignore[arg-type]

    module = RetrievalModule(data.num_classes, glyph_embedder(), loss, adam, proxy_lr=1e-2)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    trainer.limit_val_batches = 1.0
    trainer.validate(module, data, verbose=False)
    return module


def main(arguments: Sequence[str] | None = None) -> dict[str, list[float]]:
    """Train with each loss and seed, and say what came of it.

    Args:
        arguments: in place of the command line's.

    Returns:
        By loss, H-AP of each seed.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="batches to learn from (default: 200)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings with each loss (default: 3)")
    parser.add_argument(
        "--out", type=Path, default=Path("out/glyphs"), help="folder of the picture (default: out/glyphs)"
    )
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    # of workers, which images in memory need none of, and of what Lightning itself calls
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)

    started, data = time.monotonic(), GlyphData()
    print(f"{len(data.train)} glyphs to learn from, {len(data.val['val'])} of other fonts to be judged by")
    found: dict[str, list[float]] = {}
    for name, loss in LOSSES.items():
        found[name] = []
        for seed in range(options.seeds):
            module = train(loss, data, options.steps, seed)
            (embedded,) = module.embedded
            logged = module.trainer.callback_metrics
            found[name].append(float(logged["val/H-AP"]))
            print(f"{name}, seed {seed}: H-AP {found[name][-1]:.3f}, R@1 {logged['val/R@1_level0']:.3f}", flush=True)
        print(f"{name}: H-AP {statistics.mean(found[name]):.3f}, mean of {options.seeds}")
    picture = options.out / "hardest.png"
    title = (
        f"The hardest characters, and their hardness\nH-AP {found[name][-1]:.3f} after {options.steps} steps of {name}"
    )
    hardest = draw_hardest(embedded, picture, title)
    print("The hardest characters, and what is nearest to them:", *hardest, sep="\n  ")
    print(f"{picture} shows them; {time.monotonic() - started:.0f} s in all")
    return found


if __name__ == "__main__":
    main()
