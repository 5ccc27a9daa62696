"""Judge anyone's amodal annotations: every fault is counted by kind, and none stops the search for others.

report      the kinds of fault, with their tolerances; counts and first examples
block       the masks of some images, decoded together
values      an instance against its own masks
declared    the orders that a file declares
pairs       arithmetic over all pairs of instances
relations   the instances of an image against each other
judge       `validate_source`: the main path
mend        `mend_dataset`: a copy in the layout of docs/format.md, with what can be derived derived
"""

from __future__ import annotations

from amodalsynth.validate.judge import find_splits, validate_source
from amodalsynth.validate.mend import MendReport, mend_dataset
from amodalsynth.validate.report import KINDS, Validation, format_validation

__all__ = ["KINDS", "MendReport", "Validation", "find_splits", "format_validation", "mend_dataset", "validate_source"]
