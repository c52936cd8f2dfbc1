"""A file that keeps runs: results, and the hardness of every image."""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hardest_metrics.data.ranking_file import ImageNames
from hardest_metrics.numbering import named_numbers
from hardest_metrics.ranking import Ranking
from hardest_metrics.results.database import opened, transaction
from hardest_metrics.results.run import DataSet, Hardness, Probe, Result, Run, canonical

#: Where runs are kept if nobody says where; the variable of the environment comes first.
DEFAULT, VARIABLE = "hardest_metrics.db", "HARDEST_METRICS_STORE"

#: Of a run, the columns that are texts and numbers as they are.
_PLAIN = (
    "id", "time", "kind", "model_name", "model_description", "paper_arxiv_id", "paper_pwc_id", "outputs",
    "fingerprint", "images", "seconds", "peak_bytes",
)  # fmt: skip

_SHORTEST_ID = 4

_OCCASION = "INSERT INTO occasion (run) VALUES (?)"


class RunStore:
    """Keeps runs in one SQLite file: what was evaluated, with what results, and how hard each image was.

    Several processes may save at once: each waits for its turn, and every run is kept as a whole or not at all.

    Args:
        path: the file, made when the first run is saved; None for the environment's ``HARDEST_METRICS_STORE``, else
            ``hardest_metrics.db`` in the working folder.

    Raises:
        OSError: in every method, if the file is missing or cannot be written to, or the disk is full.
        ValueError: in every method, if the file is not a store, is damaged or of a newer version. The message names
            file and remedy, and nothing is changed.

    Example:
        >>> import tempfile
        >>> store = RunStore(Path(tempfile.mkdtemp(), "runs.db"))
        >>> data = DataSet({"a.jpg": "0", "b.jpg": "3"})
        >>> loss = Hardness(np.array([0.1, 2.5], np.float32), np.array([False, True]))
        >>> run = Run("mine", {"accuracy": Result(0.5, True)}, images=2, model_name="small")
        >>> saved = store.save(run, data, {"loss": loss})
        >>> store.ranking(saved)
        Ranking(2 images, hardest first: 4398000100427835945 (2.5), 2904125369912386013 (0.1))
        >>> [run.model_name for run in store.runs()]
        ['small']
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(os.environ.get(VARIABLE) or DEFAULT if path is None else path)

    def __repr__(self) -> str:
        return f"RunStore({str(self.path)!r})"

    def save(
        self,
        run: Run,
        dataset: DataSet,
        hardness: Mapping[str, Hardness],
        predictions: NDArray[np.int32] | None = None,
        probe: Probe | None = None,
    ) -> Run:
        """Keep a run.

        Args:
            run: what is known of it; its `dataset` is filled in.
            dataset: that it is over.
            hardness: by name, the first being the one that runs are compared by.
            predictions: ``(N,)`` int32, what was said of each image, if that is one class.
            probe: values by which the run is recognised.

        Returns:
            The run as it was kept.

        Raises:
            ValueError: if lengths differ, hardness is not finite, or the run is there already.
        """
        run = replace(run, dataset=dataset.digest)
        rows = _Rows(run, dataset, hardness, predictions, probe)  # all is computed before others wait
        with opened(self.path, create=True) as connection, transaction(connection):
            if connection.execute("SELECT 1 FROM run WHERE id = ?", [run.id]).fetchone():
                raise ValueError(f"{self.path}: run {run.id} is kept already. Give each run an id of its own.")
            rows.write(connection)
        return run

    def save_again(self, run: Run, paper_results: Mapping[str, float]) -> Run:
        """Note that a run was made once more, by a model that has not changed: it is the newest from now on.

        Args:
            run: as it was kept.
            paper_results: what its paper claims, in place of what was noted before; none to leave that as it is.

        Returns:
            The run as it is kept now.
        """
        with opened(self.path) as connection, transaction(connection):
            number = self._number(connection, run)
            connection.execute(_OCCASION, [number])
            if paper_results:
                connection.execute("DELETE FROM claim WHERE run = ?", [number])
                connection.executemany("INSERT INTO claim VALUES (?, ?, ?)", _claims(number, paper_results))
        return replace(run, paper_results=paper_results or run.paper_results)

    def runs(self, dataset: str | None = None) -> list[Run]:
        """The runs, in the order in which they were saved.

        Args:
            dataset: the digest of their data set; None for all.
        """
        with opened(self.path) as connection:
            return list(_runs(connection, "" if dataset is None else "WHERE digest = ?", [dataset] if dataset else []))

    def occasions(self) -> list[Run]:
        """The runs in the order in which they were made, one that was recognised once more each time."""
        with opened(self.path) as connection:
            runs = {run.id: run for run in _runs(connection, "", [])}
            made = connection.execute("SELECT id FROM occasion JOIN run ON run.number = run ORDER BY occasion.number")
            return [runs[name] for (name,) in made]

    def run(self, name: str) -> Run:
        """A run by its id, or how that begins; ``"newest"`` for the one that was saved or recognised last.

        Raises:
            ValueError: if there is none, or several begin so.
        """
        made = self.occasions()
        if not made:
            raise ValueError(f"{self.path}: holds no runs. Keep one first.")
        if name == "newest":
            return made[-1]
        runs = list({run.id: run for run in made}.values())
        found = [run for run in runs if len(name) >= _SHORTEST_ID and run.id.startswith(name)]
        if len(found) != 1:
            known = "; ".join(map(str, runs[-3:]))
            several = f"{len(found)} runs begin with" if found else "no run has the id, or the beginning of one,"
            raise ValueError(f"{self.path}: {several} {name!r}. The last ones are: {known}.")
        return found[0]

    def dataset(self, run: Run) -> DataSet:
        """The images and labels that a run is over."""
        with opened(self.path) as connection:
            rows = connection.execute(
                "SELECT key, label FROM image JOIN dataset ON dataset.id = image.dataset WHERE digest = ?",
                [run.dataset],
            )
            dataset = DataSet(dict(rows))
        if dataset.digest != run.dataset:
            raise ValueError(f"{self.path}: the data set of run {run} is not what was saved. Restore a copy.")
        return dataset

    def hardness(self, run: Run) -> dict[str, Hardness]:
        """The hardness of every image of a run by name, in the order of the data set."""
        with opened(self.path) as connection:
            rows = connection.execute(
                "SELECT name, value, in_error, sha256 FROM hardness WHERE run = ? ORDER BY place",
                [self._number(connection, run)],
            )
            return {
                name: Hardness(
                    np.frombuffer(self._sound(run, value + in_error, digest)[: len(value)], np.float32),
                    np.unpackbits(np.frombuffer(in_error, np.uint8), count=run.images).astype(bool),
                )
                for name, value, in_error, digest in rows
            }

    def predictions(self, run: Run) -> NDArray[np.int32] | None:
        """What was said of every image of a run; None if that is not one class an image."""
        with opened(self.path) as connection:
            row = connection.execute(
                "SELECT value, sha256 FROM prediction WHERE run = ?", [self._number(connection, run)]
            ).fetchone()
        return None if row is None else np.frombuffer(self._sound(run, *row), np.int32)

    def ranking(self, run: Run, name: str | None = None) -> Ranking:
        """The images of a run by hardness, those whose keys are text by their numbers.

        Args:
            run: one that is kept.
            name: of the hardness; None for the first.

        Raises:
            ValueError: if the run has none of that name.
        """
        name, hardness = chosen(self.hardness(run), name)
        return Ranking.of(
            torch.tensor(named_numbers(self.dataset(run).keys)[0]), torch.from_numpy(hardness.values.copy())
        )

    def names(self, run: Run) -> ImageNames:
        """What the images of :meth:`ranking` are called."""
        keys = self.dataset(run).keys
        return ImageNames(named_numbers(keys)[0], keys)

    @contextmanager
    def probing(self) -> "Iterator[Probing]":
        """Look at the probes of runs."""
        with opened(self.path) as connection:
            yield Probing(connection)

    def _number(self, connection: sqlite3.Connection, run: Run) -> int:
        row = connection.execute("SELECT number FROM run WHERE id = ?", [run.id]).fetchone()
        if row is None:
            raise ValueError(f"{self.path}: holds no run {run}. Give the store that it was saved to.")
        return int(row[0])

    def _sound(self, run: Run, content: bytes, digest: bytes) -> bytes:
        if sha256(content).digest() != digest:
            raise ValueError(f"{self.path}: what is kept of run {run} is damaged. Restore a copy.")
        return content


class Probing:
    """Runs that may be the one under way, and what they said of the images of the probe."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def candidates(self, dataset: str, settings: Mapping[str, Any], fingerprint: str | None) -> list[Run]:
        """Runs of the same data set and settings, with a probe, newest first; of equal weights, if these are known."""
        where, values = "WHERE digest = ? AND settings = ? AND NOT partial", [dataset, canonical(settings)]
        if fingerprint is not None:
            where, values = f"{where} AND fingerprint = ?", [*values, fingerprint]
        return list(_runs(self._connection, where, values))[::-1]

    def positions(self, run: Run) -> dict[int, int]:
        """The images of a run's probe, and how many rows of values each has."""
        return dict(self._connection.execute(f"SELECT position, value_rows {_OF_PROBE}", [run.id]))

    def values(self, run: Run, position: int) -> NDArray[Any] | None:
        """``(rows, numbers)``: what the run said of an image of its probe; None if the image is not of it."""
        found = self._connection.execute(
            f"SELECT value_rows, dtype, value {_OF_PROBE} AND position = ?", [run.id, position]
        ).fetchone()
        if found is None:
            return None
        rows, dtype, value = found
        return np.frombuffer(value, dtype).reshape(rows, -1) if rows else np.zeros((0, 0))


_OF_PROBE = "FROM probe JOIN run ON run.number = probe.run WHERE run.id = ?"


def chosen(hardness: Mapping[str, Hardness], name: str | None) -> tuple[str, Hardness]:
    """Name and values of the hardness of that name; of the first for None."""
    if name is None and hardness:
        return next(iter(hardness.items()))
    if name is None or name not in hardness:
        raise ValueError(f"The run has no hardness {name!r}. Choose from: {', '.join(hardness) or 'none'}.")
    return name, hardness[name]


class _Rows:
    """All that is written of a run, checked and encoded."""

    def __init__(
        self,
        run: Run,
        dataset: DataSet,
        hardness: Mapping[str, Hardness],
        predictions: NDArray[np.int32] | None,
        probe: Probe | None,
    ) -> None:
        if run.images != len(dataset):
            raise ValueError(f"`run` is of {run.images} images, but `dataset` has {len(dataset)}.")
        self._digest = dataset.digest
        self._images = list(zip(dataset.keys, dataset.labels, strict=True))
        self._run = {name: getattr(run, name) for name in _PLAIN} | {
            "settings": canonical(run.settings),
            "partial": int(run.partial),
            "versions": json.dumps(dict(run.versions)),
        }
        self._results = [
            (place, name, result.value, result.higher_is_better)
            for place, (name, result) in enumerate(run.results.items())
        ]
        self._claims = dict(run.paper_results)
        self._hardness = [
            (place, name, *_encoded(name, one, run)) for place, (name, one) in enumerate(hardness.items())
        ]
        self._prediction = None
        if predictions is not None:
            if predictions.shape != (run.images,):
                raise ValueError(f"`predictions` must be one an image, ({run.images},), but are {predictions.shape}.")
            content = predictions.astype(np.int32).tobytes()
            self._prediction = content, sha256(content).digest()
        self._probe = [
            (dataset.position[key], len(values), values.dtype.str, values.tobytes())
            for key, values in (probe or {}).items()
        ]

    def write(self, connection: sqlite3.Connection) -> None:
        """Write it, within a transaction."""
        row = connection.execute("SELECT id FROM dataset WHERE digest = ?", [self._digest]).fetchone()
        if row is None:
            dataset = connection.execute("INSERT INTO dataset (digest) VALUES (?)", [self._digest]).lastrowid
            images = ((dataset, position, *image) for position, image in enumerate(self._images))
            connection.executemany("INSERT INTO image VALUES (?, ?, ?, ?)", images)
        else:
            dataset = row[0]
        columns = {**self._run, "dataset": dataset}
        places = ", ".join("?" * len(columns))
        number = connection.execute(
            f"INSERT INTO run ({', '.join(columns)}) VALUES ({places})", list(columns.values())
        ).lastrowid
        assert number is not None
        connection.execute(_OCCASION, [number])
        for table, rows in (("result", self._results), ("hardness", self._hardness), ("probe", self._probe)):
            for values in rows:
                connection.execute(
                    f"INSERT INTO {table} VALUES ({', '.join('?' * (1 + len(values)))})", (number, *values)
                )
        connection.executemany("INSERT INTO claim VALUES (?, ?, ?)", _claims(number, self._claims))
        if self._prediction is not None:
            connection.execute("INSERT INTO prediction VALUES (?, ?, ?)", (number, *self._prediction))


def _encoded(name: str, hardness: Hardness, run: Run) -> tuple[bytes, bytes, bytes]:
    values, in_error = np.asarray(hardness.values, np.float32), np.asarray(hardness.in_error, bool)
    if values.shape != (run.images,) or in_error.shape != (run.images,):
        raise ValueError(f"`hardness` {name!r} must be one an image, ({run.images},), but is {values.shape}.")
    if not np.isfinite(values).all():
        raise ValueError(f"`hardness` {name!r} must be finite, but is {values[~np.isfinite(values)][0]} of an image.")
    content = values.tobytes(), np.packbits(in_error).tobytes()
    return *content, sha256(b"".join(content)).digest()


def _claims(number: int, claims: Mapping[str, float]) -> Iterator[tuple[int, str, float]]:
    return ((number, name, float(value)) for name, value in claims.items())


def _runs(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> Iterator[Run]:
    """Runs that a condition holds of, in the order in which they were saved."""
    further = ("number", "digest", "settings", "partial", "versions")
    selected = ", ".join(f"run.{name}" if name != "digest" else name for name in (*further, *_PLAIN))
    rows = connection.execute(
        f"SELECT {selected} FROM run JOIN dataset ON dataset.id = run.dataset {where} ORDER BY number", values
    ).fetchall()
    for number, digest, settings, partial, versions, *plain in rows:
        results = connection.execute(
            "SELECT name, value, higher_is_better FROM result WHERE run = ? ORDER BY place", [number]
        )
        claims = connection.execute("SELECT name, value FROM claim WHERE run = ? ORDER BY name", [number])
        yield Run(
            results={
                name: Result(float("nan") if value is None else value, None if better is None else bool(better))
                for name, value, better in results
            },
            paper_results=dict(claims),
            dataset=digest,
            settings=json.loads(settings),
            partial=bool(partial),
            versions=json.loads(versions),
            **dict(zip(_PLAIN, plain, strict=True)),
        )
