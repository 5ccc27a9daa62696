"""Evaluation of amodal instance segmentation: COCO results against a COCO file with amodal masks. No torch, and anybody's files.

detections          a results list, checked, as columns
ground_truth        the annotations of an image, checked, and those of all images as columns
average_precision   COCO's matching and AP, for any classes and any part of the ground truth
occlusion           what the kept detections say about each other: layers, order, invisible masks
passes              the two passes over the images that find the overlaps and add up the occlusion
evaluate            `evaluate_results`: all numbers, and `examine_results`: also what is known of every image and detection
examine             what such an examination shows: curves, categories, the layers confused, the quality of each image
report              `format_evaluation`: the outcome as text
"""

from __future__ import annotations

from amodalsynth.evaluation.detections import write_results
from amodalsynth.evaluation.evaluate import Examination, evaluate_results, examine_results
from amodalsynth.evaluation.report import format_evaluation

__all__ = ["evaluate_results", "examine_results", "Examination", "write_results", "format_evaluation"]
