"""Statistics of a data set beside the paper's: its Tables 1 and 2 and Figure 4.

Everything is counted in one pass over the annotations of each split, so memory does not grow with the data set. What a file does not
record is derived from its masks where that can be done, and is None ("not recorded") elsewhere.

counts   what is counted, and the counter
read     `compute_stats`: COCO files read strictly
tables   the tables, as rows of text
paper    the paper's numbers
"""

from __future__ import annotations

from amodalsynth.stats.counts import SplitStatistics, Statistics, Tally, add_up
from amodalsynth.stats.read import compute_stats, read_stats
from amodalsynth.stats.tables import Section, format_stats, sections

__all__ = ["Section", "SplitStatistics", "Statistics", "Tally", "add_up", "compute_stats", "format_stats", "read_stats", "sections"]
