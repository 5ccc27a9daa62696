"""The report as a server gives it away: the page at once, everything else of a row when it is asked for, pictures as the files on disk have them."""

from __future__ import annotations

from amodalsynth.report.build import Report
from amodalsynth.report.page import page_policy, piece_script, render_page
from amodalsynth.report.pictures import Picture, thumbnail
from amodalsynth.report.summary import summarise

BASE = "report_files/"


class LiveReport:
    """The answers of the server; safe to call from several threads. `DataError` where a file has gone since the report was opened."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.num_rows = report.num_rows
        self.policy = page_policy(pieces=True)

    def page(self) -> bytes:
        """The page, which asks for everything else by paths below `BASE`."""
        return render_page(summarise(self._report), data=self._report.data({"kind": "files", "base": BASE}), inline=None)

    def scene_script(self, row: int) -> bytes:
        """The script that gives the page the scene of a row."""
        return piece_script(row, self._report.scene(row, lambda name, _: f"{BASE}pictures/{row}/{name}"))

    def thumbnail(self, row: int) -> bytes | None:
        """WebP; None where the image has no file."""
        picture = self._report.picture(row, "image")
        return None if picture is None else thumbnail(picture).content

    def picture(self, row: int, name: str) -> Picture | None:
        """The file of "image", "background" or the appearance of an instance by its number; None where there is none."""
        return self._report.picture(row, name)
