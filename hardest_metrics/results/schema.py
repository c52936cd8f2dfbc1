"""What a store of runs looks like inside, and how an older one becomes so.

The version of a store is the number of steps that it has gone through. A later version of this package appends steps
and leaves those that are here alone; a new store goes through all of them.
"""

#: Of the file, so that no other program's is taken for a store: "HdRn".
APPLICATION_ID = int.from_bytes(b"HdRn", "big")

STEPS: list[tuple[str, ...]] = [
    (
        # what runs are over, by a digest of sorted keys and labels
        """CREATE TABLE dataset (
            id INTEGER PRIMARY KEY,
            digest TEXT NOT NULL UNIQUE
        ) STRICT""",
        # a key is an integer or text, and stays what it is
        """CREATE TABLE image (
            dataset INTEGER NOT NULL REFERENCES dataset,
            position INTEGER NOT NULL,
            key ANY NOT NULL,
            label TEXT NOT NULL,
            PRIMARY KEY (dataset, position)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE run (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            dataset INTEGER NOT NULL REFERENCES dataset,
            time TEXT NOT NULL,
            kind TEXT NOT NULL,
            model_name TEXT,
            model_description TEXT,
            paper_arxiv_id TEXT,
            paper_pwc_id TEXT,
            settings TEXT NOT NULL,
            partial INTEGER NOT NULL,
            outputs TEXT,
            fingerprint TEXT,
            versions TEXT NOT NULL,
            images INTEGER NOT NULL,
            seconds REAL,
            peak_bytes INTEGER
        ) STRICT""",
        "CREATE INDEX runs_of_dataset ON run (dataset, number)",
        # value: NULL for NaN, which SQLite cannot hold
        """CREATE TABLE result (
            run INTEGER NOT NULL REFERENCES run,
            place INTEGER NOT NULL,
            name TEXT NOT NULL,
            value REAL,
            higher_is_better INTEGER,
            PRIMARY KEY (run, name)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE claim (
            run INTEGER NOT NULL REFERENCES run,
            name TEXT NOT NULL,
            value REAL NOT NULL,
            PRIMARY KEY (run, name)
        ) STRICT, WITHOUT ROWID""",
        # by position of the image: float32, and a bit for each image in error
        """CREATE TABLE hardness (
            run INTEGER NOT NULL REFERENCES run,
            place INTEGER NOT NULL,
            name TEXT NOT NULL,
            value BLOB NOT NULL,
            in_error BLOB NOT NULL,
            sha256 BLOB NOT NULL,
            PRIMARY KEY (run, name)
        ) STRICT""",
        # by position of the image: int32, what was said of it
        """CREATE TABLE prediction (
            run INTEGER PRIMARY KEY REFERENCES run,
            value BLOB NOT NULL,
            sha256 BLOB NOT NULL
        ) STRICT""",
        # of images of the probe: (value_rows, n) numbers of a numpy type
        """CREATE TABLE probe (
            run INTEGER NOT NULL REFERENCES run,
            position INTEGER NOT NULL,
            value_rows INTEGER NOT NULL,
            dtype TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (run, position)
        ) STRICT""",
    ),
    (
        # whenever a run was made: once when it was saved, and again each time that it was recognised
        """CREATE TABLE occasion (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES run
        ) STRICT""",
        "INSERT INTO occasion (run) SELECT number FROM run ORDER BY number",
    ),
]
