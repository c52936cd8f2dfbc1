"""Train a classifier twice, and see by how little its accuracy moves, and which images flip.

    python -m examples.regressions

takes about a minute, and shows what stands behind a gate such as `workflow.yml`: runs are kept in a store by an
evaluator and by HardestImages, a model that has not changed is recognised after a few batches, and `hardest-metrics
regress` names the images that became wrong.
"""

import os
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a busy neighbour costs less; read when torch is imported

import torch
from lightning.pytorch import Trainer, seed_everything
from torch.utils.data import DataLoader, TensorDataset

from examples.regressions.model import DigitClassifier, digits, key_of, save_images, test_loader
from hardest_metrics import CrossEntropy, HardestImages, cli
from hardest_metrics.evaluators import ImageNetEvaluator

OUT = Path("out/regressions")


def train(seed: int, train_set: TensorDataset, test: TensorDataset, epochs: int = 12) -> DigitClassifier:
    """A trained classifier, tested once, which keeps a run of that test."""
    seed_everything(seed)
    model = DigitClassifier()
    trainer = Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=OUT,
        callbacks=[HardestImages(CrossEntropy(), top_k=9, store=OUT / "tests.db")],
    )  # fmt: skip
    trainer.fit(model, DataLoader(train_set, batch_size=32, shuffle=True))
    trainer.test(model, test_loader(test), verbose=False)
    return model.eval()


def evaluate(model: DigitClassifier, test: TensorDataset, **known: Any) -> int:
    """Keep a run of a model, unless it is kept already; after how many batches that was clear."""
    labels = {key_of(number): label for number, label in enumerate(test.tensors[1].tolist())}
    evaluator = ImageNetEvaluator(labels, store=OUT / "runs.db", fingerprint=model, **known)
    batches = 0
    with torch.no_grad():
        for images, _, ids in test_loader(test):
            evaluator.add(dict(zip(map(key_of, ids.tolist()), model(images), strict=True)))
            batches += 1
            if evaluator.cache_exists:
                break
    run = evaluator.save()
    accuracy = run.results["Top 1 Accuracy"].value
    print(f"{run}: accuracy {accuracy:.4f}, {'kept before' if run.kept else 'new'}, after {batches} batches")
    return batches


def main(epochs: int = 12) -> int:
    """Train, evaluate, compare; the exit code of `regress`."""
    warnings.filterwarnings("ignore", module="lightning")
    began = time.monotonic()
    OUT.mkdir(parents=True, exist_ok=True)
    for name in ("runs.db", "tests.db"):
        (OUT / name).unlink(missing_ok=True)
    train_set, test = digits()
    save_images(test, OUT / "images")
    print("The first model, evaluated twice: the second time it is recognised.")
    first = train(0, train_set, test, epochs)
    for _ in range(2):
        evaluate(first, test, model_name="digits, seed 0", paper_results={"Top 1 Accuracy": 0.97})
    print("The same with another seed:")
    evaluate(train(1, train_set, test, epochs), test, model_name="digits, seed 1")
    store = ["--store", str(OUT / "runs.db")]
    print("\nhardest-metrics regress: which images flipped?")
    files = ["--out", str(OUT / "worse.csv"), "--grid", str(OUT / "worse.png"), "--images", str(OUT / "images")]
    code = cli.main(
        ["regress", *store, "--tolerance", "Top 1 Accuracy=0.01", "--max-worse", "5", *files, "--top-k", "9"]
    )
    print(f"Exit code {code}\n\nhardest-metrics history, of the evaluator and of the trainer's tests:")
    cli.main(["history", *store, "--plot", str(OUT / "history.png")])
    cli.main(["history", "--store", str(OUT / "tests.db")])
    print(f"All of it took {time.monotonic() - began:.0f} seconds")
    return code


if __name__ == "__main__":
    main()
