"""``hardest-metrics retrieve``: queries by how badly they retrieve their relatives, hardest first."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jsonargparse import ArgumentParser, Namespace
from rich.table import Table
from rich.text import Text

from hardest_metrics.cli.files import check_images_folder, check_inputs, check_outputs, ranking_outputs, write_ranked
from hardest_metrics.cli.options import PROGRAM, add_ranking_options, new_parser, require_given
from hardest_metrics.cli.terminal import add_columns, printable, results_console
from hardest_metrics.names import RETRIEVAL_SCORES, SIMILARITIES

if TYPE_CHECKING:
    from torch import Tensor

    from hardest_metrics.data.embeddings import LabelTable
    from hardest_metrics.functional.retrieval import QueryScores
    from hardest_metrics.numbering import Identifier
    from hardest_metrics.retrieval import RetrievalMetric


def parser() -> ArgumentParser:
    """Its options."""
    retrieve = new_parser(
        usage=f"{PROGRAM} retrieve --embeddings FILE.npy --labels FILE.csv [options]",
        description="Rank queries by how badly they retrieve their relatives, the hardest first: hardness is 1 - score."
        " Labels may have several levels, such as species and genus. Without --gallery each image is looked up among"
        " all others.",
    )
    data = retrieve.add_argument_group("data")
    data.add_argument(
        "--embeddings",
        metavar="FILE.npy",
        help="embeddings of the queries, (images, dimensions), a row each (required)",
    )
    data.add_argument(
        "--labels", metavar="FILE.csv",
        help="their labels, a line each in the same order under a header: a column for each level, finest first;"
        " columns image_id and file_name (or file) are taken for what they say (required)",
    )  # fmt: skip
    data.add_argument("--gallery", metavar="FILE.npy", help="embeddings of the images that queries are looked up in")
    data.add_argument(
        "--gallery-labels", metavar="FILE.csv",
        help="their labels; an image of the image_id, or without these of the file name, of a query is the query"
        " itself, which does not find itself",
    )  # fmt: skip
    data.add_argument(
        "--levels", nargs="+", metavar="COLUMN", help="the columns of labels, finest level first (default: all others)"
    )
    data.add_argument("--images", metavar="FOLDER", help="where the image files are, for --grid")

    score = retrieve.add_argument_group("score", "What queries are ranked by.")
    score.add_argument(
        "--score", choices=list(RETRIEVAL_SCORES), default="hierarchical_ap", help="(default: %(default)s)"
    )
    score.add_argument(
        "--level", type=int, default=0, metavar="N",
        help="of average_precision, map_at_r, precision_at and recall_at: positives share this level, 0 the finest"
        " (default: %(default)s)",
    )  # fmt: skip
    score.add_argument(
        "--k", type=int, default=10, metavar="K",
        help="of precision_at and recall_at: the first items that count (default: %(default)s)",
    )  # fmt: skip
    score.add_argument(
        "--t", type=int, default=1, metavar="T",
        help="of level_ap: positives share exactly so many levels (default: %(default)s)",
    )  # fmt: skip
    score.add_argument(
        "--relevance", type=float, nargs="+", metavar="WEIGHT",
        help="of hierarchical_ap: a weight a level, coarsest first (default: by how rare items of a level are)",
    )  # fmt: skip
    score.add_argument(
        "--alpha", type=float, default=1.0, metavar="A",
        help="of hierarchical_ap without --relevance: the larger, the less coarse levels matter (default: %(default)s)",
    )  # fmt: skip
    score.add_argument(
        "--similarity", choices=list(SIMILARITIES), default="cosine",
        help="how embeddings are compared; for cosine they are brought to unit length (default: %(default)s)",
    )  # fmt: skip

    output = retrieve.add_argument_group("output", "The hardest queries and all mean scores are always printed.")
    add_ranking_options(output, "queries", "table and grid")
    output.add_argument(
        "--grid", metavar="FILE.png",
        help="draw the K hardest queries with their nearest neighbours, framed by how many levels they share; needs"
        " --images, and file names in the labels",
    )  # fmt: skip
    output.add_argument(
        "--neighbours", type=int, default=8, metavar="N", help="number of neighbours in the grid (default: %(default)s)"
    )
    return retrieve


class _Set(NamedTuple):
    """Queries and gallery.

    Attributes:
        embeddings: of the queries.
        queries: what is known of them.
        gallery: embeddings of the gallery; of the queries, where these are the gallery.
        items: what is known of the gallery.
        itself: where each query stands in the gallery, -1 where it does not.
    """

    embeddings: "Tensor"
    queries: "LabelTable"
    gallery: "Tensor"
    items: "LabelTable"
    itself: "Tensor"


def run(options: Namespace) -> None:
    """Rank, print and write."""
    _check_files(options)
    _check_numbers(options)
    metric = _metric(options, options.k)
    data = _read(options)
    ranked = len(data.items.labels) - int((data.itself >= 0).all())
    if not ranked:
        raise ValueError(
            f"{options.labels}: is of one image, which has nothing to retrieve. Give more, or a `gallery`."
        )
    notes = []
    if options.k > ranked:
        metric = _metric(options, ranked)
        notes.append(f"Note: --k {options.k} is more than the {ranked} items that are ranked: all of these count")
    k = min(options.k, ranked)

    from hardest_metrics.functional.retrieval import score_queries
    from hardest_metrics.retrieval.evaluation import check_levels

    check_levels(metric, data.queries.labels)
    scores = score_queries(
        data.embeddings, data.queries.labels, gallery=data.gallery, gallery_labels=data.items.labels,
        itself=data.itself, k=(1, k), relevance=options.relevance or "pop", alpha=options.alpha,
        metric=options.similarity,
    )  # fmt: skip
    values = metric.score(scores)
    rows = (~values.isnan()).nonzero().squeeze(1)
    if not len(rows):
        raise ValueError(
            f"{options.labels}: none of {len(values)} queries has a positive in the gallery by {metric!r}. Give images"
            " that share a class."
        )
    ranking = _Ranked(data.queries, rows, values[rows])
    pictures = {}
    if options.grid:
        pictures[options.grid] = _grid(options, ranking, data, min(options.neighbours, ranked))
    written = write_ranked(options, partial(ranking.write, options.for_spreadsheets), pictures)

    console = results_console()
    console.print(ranking.table(options.top_k))
    console.print(_means(scores, data.queries.level_names, k))
    without = len(values) - len(rows)
    left_out = f", {without} without a positive left out" if without else ""
    of_all = {"H-AP": scores.hierarchical_ap, "nDCG": scores.ndcg, "ASI": scores.asi}
    notes.append("Mean of all levels: " + ", ".join(f"{name} {_mean(score)}" for name, score in of_all.items()))
    queries = "1 query" if len(values) == 1 else f"{len(values)} queries"
    notes.append(f"{queries}{left_out}, mean score {_mean(values)} by {metric!r}, {options.similarity}")
    for line in (*notes, *(f"Wrote {path}" for path in written)):
        console.print(printable(line), soft_wrap=True)


class _Ranked:
    """Queries, ranked.

    Args:
        queries: what is known of all of them.
        rows: ``(k,)`` which of them take part.
        scores: ``(k,)`` theirs.
    """

    def __init__(self, queries: "LabelTable", rows: "Tensor", scores: "Tensor") -> None:
        import torch

        from hardest_metrics.numbering import numbers_of
        from hardest_metrics.ranking import Ranking

        self._queries = queries
        self._shown_ids: list[Identifier] = queries.ids or list(range(len(queries.labels)))
        self._numbers = numbers_of(self._shown_ids)
        self.ranking = Ranking.of(torch.tensor(self._numbers)[rows], 1 - scores.float())
        row_of = {number: row for row, number in enumerate(self._numbers)}
        self.rows = [row_of[number] for number in self.ranking.image_ids.tolist()]  # of the table, hardest first

    def write(self, for_spreadsheets: bool, path: str) -> None:
        """Write the ranking."""
        from hardest_metrics.data import ImageNames, write_ranking

        shown, names = self._shown_ids, None
        if self._queries.file_names or any(isinstance(one, str) for one in shown):
            names = ImageNames(self._numbers, shown, self._queries.file_names or list(map(str, shown)))
        write_ranking(self.ranking, path, names, for_spreadsheets=for_spreadsheets)

    def table(self, top_k: int) -> Table:
        """The hardest queries."""
        files = self._queries.file_names
        table = Table()
        folded = ("image id", "file name", "class")
        columns = ("rank", "image id", *(["file name"] if files else []), "class", "hardness")
        add_columns(table, columns, folded, left=folded[1:])
        top = zip(self.rows[:top_k], self.ranking.top(top_k).hardness.tolist(), strict=True)
        for rank, (row, hardness) in enumerate(top, start=1):
            texts = [str(self._shown_ids[row]), *([files[row]] if files else []), _class_name(self._queries, row)]
            table.add_row(str(rank), *(Text(printable(text)) for text in texts), f"{hardness:.5g}")
        return table


def _class_name(known: "LabelTable", row: int) -> str:
    """What the finest class of an image is called."""
    return known.class_names[0][int(known.labels[row, 0])]


def _check_files(options: Namespace) -> None:
    """Refuse files that are missing, or that can't or shouldn't be written, before anything is done."""
    require_given(options, "retrieve", ("embeddings", "labels"))
    if bool(options.gallery) != bool(options.gallery_labels):
        raise ValueError("`gallery` and `gallery_labels` belong together: give both, or neither.")
    if bool(options.grid) != bool(options.images):
        raise ValueError("`grid` and `images` belong together: give both, or neither.")
    inputs = [options.embeddings, options.labels, *filter(None, (options.gallery, options.gallery_labels))]
    check_inputs(inputs)
    check_images_folder(options.images)
    check_outputs(ranking_outputs(options), inputs)


def _check_numbers(options: Namespace) -> None:
    for name in ("top_k", "neighbours", "k"):
        if not 1 <= options[name] < 1 << 31:
            raise ValueError(f"`{name}` must be at least 1 and below 2^31, but is {options[name]}.")
    if options.grid:
        from hardest_metrics.plot import MAX_TILES

        number = options.top_k * (1 + options.neighbours)
        if number > MAX_TILES:
            raise ValueError(
                f"`grid` would hold {number} images, but at most {MAX_TILES}: ask for a smaller `top_k`, or fewer"
                " `neighbours`."
            )


def _metric(options: Namespace, k: int) -> "RetrievalMetric":
    """The metric whose score queries are ranked by.

    Raises:
        ValueError: if its settings make no sense.
    """
    from hardest_metrics import retrieval

    makers: dict[str, Callable[[], RetrievalMetric]] = {
        "hierarchical_ap": lambda: retrieval.HierarchicalAP(options.relevance or "pop", options.alpha),
        "average_precision": lambda: retrieval.AveragePrecision(options.level),
        "map_at_r": lambda: retrieval.MAPAtR(options.level),
        "precision_at": lambda: retrieval.PrecisionAt(k, options.level),
        "recall_at": lambda: retrieval.RecallAt(k, options.level),
        "level_ap": lambda: retrieval.LevelAP(options.t),
        "ndcg": retrieval.NDCG,
        "asi": retrieval.ASI,
    }
    return makers[options.score]()


def _read(options: Namespace) -> _Set:
    import torch

    from hardest_metrics.data.embeddings import read_embeddings, read_label_tables

    tables = read_label_tables([path for path in (options.labels, options.gallery_labels) if path], options.levels)
    queries, items = tables[0], tables[-1]
    embeddings = read_embeddings(options.embeddings)
    _check_length(options.embeddings, embeddings, options.labels, queries)
    if not options.gallery:
        return _Set(embeddings, queries, embeddings, queries, torch.arange(len(embeddings)))
    gallery = read_embeddings(options.gallery)
    _check_length(options.gallery, gallery, options.gallery_labels, items)
    by_id = queries.ids is not None and items.ids is not None
    own, others = ((table.ids if by_id else table.file_names) or [] for table in tables)
    place = {str(name): row for row, name in enumerate(others)}
    itself = torch.tensor([place.get(str(name), -1) for name in own] or [-1] * len(embeddings))
    return _Set(embeddings, queries, gallery, items, itself)


def _check_length(path: str, embeddings: "Tensor", labels_path: str, labels: "LabelTable") -> None:
    if len(embeddings) != len(labels.labels):
        raise ValueError(
            f"{path}: has {len(embeddings)} rows, but {labels_path} {len(labels.labels)}. Give a line a row, in its"
            " order."
        )


def _grid(options: Namespace, ranking: _Ranked, data: _Set, neighbours: int) -> bytes:
    """The content of a PNG file that shows the hardest queries."""
    import torch

    from hardest_metrics.detectors.image_files import find_image
    from hardest_metrics.functional.retrieval import nearest_neighbours
    from hardest_metrics.plot import draw_neighbours, encode_png
    from hardest_metrics.ranking import Ranking
    from hardest_metrics.retrieval import NearestItems
    from hardest_metrics.retrieval.pictures import retrieved

    for path, table in ((options.labels, data.queries), (options.gallery_labels, data.items)):
        if table.file_names is None:
            raise ValueError(f"{path}: has no column 'file_name' or 'file', which `grid` needs. Add it.")
    hard = torch.tensor(ranking.rows[: options.top_k])
    top = Ranking(hard, ranking.ranking.top(options.top_k).hardness)
    found = nearest_neighbours(
        data.embeddings[hard], data.queries.labels[hard], gallery=data.gallery, gallery_labels=data.items.labels,
        itself=data.itself[hard], k=neighbours, metric=options.similarity,
    )  # fmt: skip
    number = len(data.queries.labels)  # items are numbered after all queries

    def known(place: int) -> "tuple[LabelTable, int]":
        return (data.queries, place) if place < number else (data.items, place - number)

    def image_of(place: int) -> Path:
        table, row = known(place)
        name = (table.file_names or [])[row]
        return find_image(options.images, name, table.ids[row] if table.ids else row)

    def name_of(place: int) -> str:
        table, row = known(place)
        return f"{table.ids[row] if table.ids else row} {_class_name(table, row)}"

    num_levels = data.queries.labels.shape[1]
    items = NearestItems(hard, found.items + number, found.level, found.similarity, num_levels)
    title = f"Hardest queries by {options.score}\n{options.similarity}, {len(data.items.labels)} images in the gallery"
    return encode_png(draw_neighbours(retrieved(top, items, image_of, name_of), num_levels, title))


def _means(scores: "QueryScores", level_names: Sequence[str], k: int) -> Table:
    """Mean scores, a row a level."""
    table = Table()
    columns = {
        "AP": scores.average_precision,
        "mAP@R": scores.map_at_r,
        **{f"P@{number}": column for number, column in scores.precision_at.items()},
        **{f"R@{number}": column for number, column in scores.recall_at.items()},
        "ASI": scores.asi_by_level,
    }
    table.add_column("level", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right")
    for level, name in enumerate(level_names):
        table.add_row(Text(printable(name)), *(_mean(column[:, level]) for column in columns.values()))
    return table


def _mean(scores: "Tensor") -> str:
    mean = float(scores.nanmean())
    return "-" if mean != mean else f"{mean:.4f}"
