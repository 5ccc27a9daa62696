"""A browsable report of a data set and of a model's predictions: one page, or a server on this machine.

survey       one pass over a source: statistics, faults, histograms, what the gallery filters by
ordering     the order and the layers of an image's instances, declared or derived
values       texts and ids that every browser reads
scene        one image with its instances, as the page's JSON
measures     the masks of many images as numbers
point_file   points that were drawn for a file
pictures     images, backgrounds and appearances as files or for the page
predictions  a model's detections beside the ground truth
charts       what the charts of the page show, computed
rows         which images are shown, and what the gallery filters by
summary      the numbers, tables and charts that the templates show
model_summary  the same of the models' predictions
build        all of it together: what a report holds
page         templates, stylesheet and scripts to one HTML file
live         what the server gives away
write        the report on disk: one file, or a page with pieces beside it
serve        the same page from a server on this machine, for data sets of any size
"""

from __future__ import annotations
