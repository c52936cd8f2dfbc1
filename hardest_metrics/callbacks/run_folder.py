"""Where a run writes: in a folder of its own, and no file twice."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hardest_metrics.data import atomic_write

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


def folder_of_run(trainer: "Trainer", name: str) -> Path:
    """The folder of that name where ModelCheckpoint has its ``checkpoints``: ``save_dir/name/version`` of the logger.

    Without a logger it is in the trainer's ``default_root_dir``. All processes must ask together.
    """
    folder = Path(trainer.default_root_dir)
    if trainer.loggers:
        logger = trainer.loggers[0]
        version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
        folder = Path(logger.save_dir or folder, str(logger.name), version)
    return Path(trainer.strategy.broadcast(os.fspath(folder / name)))


def require_writable(folder: Path, trainer: "Trainer") -> None:
    """Refuse, on all processes, a folder that the first one cannot write to.

    Raises:
        ValueError: naming it.
    """
    problem = None
    if trainer.is_global_zero:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(folder / ".writable"):
                pass
            (folder / ".writable").unlink()
        except OSError as error:
            problem = f"`dirpath` {folder} cannot be written to: {error}. Choose another one."
    problem = trainer.strategy.broadcast(problem)  # all processes stop, or none
    if problem is not None:
        raise ValueError(problem)


def unused(folder: Path, stem: str, suffix: str, content: bytes) -> str:
    """The stem, with ``-v1``, ``-v2``, ... where files of other content have its name already.

    Several validations may share a step, and a run may test several sets. A run that was killed and is taken up again
    comes to the same files.

    Args:
        folder: of the file.
        stem: its name without suffix.
        suffix: likewise.
        content: that it is to have.
    """
    version, name = 0, stem
    while (path := folder / (name + suffix)).exists() and path.read_bytes() != content:
        version += 1
        name = f"{stem}-v{version}"
    return name
