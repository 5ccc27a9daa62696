"""Assets: the photos and textures that scenes are made of.

manifest   where each known asset comes from, how large it is, under which licence
unpack     an archive from the network -> a folder, refusing what must not be unpacked
sources    a folder of images -> files by category and split
store      what is on this machine: locate, add, verify
fetch      download -> check -> unpack -> store
"""
