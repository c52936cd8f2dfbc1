"""Where the pictures of a page are kept."""

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote_from_bytes

from hardest_metrics.data.atomic import atomic_write, remove_unfinished
from hardest_metrics.report.page import data_uri

_PICTURE_FILE = re.compile(r"[0-9a-f]{32}\.jpg")


class PictureStore:
    """Where pictures are kept: in the page, or in files that are named by their content."""

    def __init__(self, page: Path, embed: bool) -> None:
        self.page = page
        self.folder = page.with_name(f"{page.stem}_files")
        self.embed = embed
        self.kept: set[str] = set()

    def keep(self, jpeg: bytes) -> str:
        """Keep a picture; its address, as seen from the page."""
        if self.embed:
            return data_uri(jpeg, "image/jpeg")
        name = hashlib.sha256(jpeg).hexdigest()[:32] + ".jpg"
        file = self.folder / name
        if name not in self.kept and not (file.is_file() and file.read_bytes() == jpeg):
            self.folder.mkdir(exist_ok=True)
            with atomic_write(file) as written:
                written.write(jpeg)
        self.kept.add(name)
        return self._address + name

    @property
    def _address(self) -> str:
        """Of the folder, as seen from the page."""
        return f"{quote_from_bytes(bytes(Path(self.folder.name)))}/"

    def remove_others(self) -> None:
        """Remove the pictures that earlier pages needed and no other one needs, and the folder if it is empty then."""
        if self.folder.is_dir():
            remove_unfinished(self.folder)
            pictures = [file for file in self.folder.iterdir() if _PICTURE_FILE.fullmatch(file.name)]
            others = {file.name for file in pictures} - self.kept
            with suppress(OSError):  # a page that cannot be read: who knows what it needs
                for name in others - self._needed_by_others() if others else ():
                    (self.folder / name).unlink()
            with suppress(OSError):  # something else is in it
                self.folder.rmdir()

    def _needed_by_others(self) -> set[str]:
        """Pictures that other pages beside this one show: copies of earlier ones, `report.htm` for `report.html`."""
        address = re.compile(rb"[\"/]" + re.escape(self._address.encode()) + rb"([0-9a-f]{32}\.jpg)")
        return {
            name.decode()
            for page in self.page.parent.iterdir()
            if page.suffix.lower() in (".htm", ".html") and page.is_file() and page != self.page
            for name in address.findall(page.read_bytes())
        }
