"""ISO 9660 images as bytes: read, and edited without moving what is on them. No file is opened here.

- records   descriptors, directory records, Rock Ridge, path tables, boot catalog: bytes to records and back
- walk      every file of a tree, and udf of the other one
- names     what new files are called in each tree of an image
- tree      a directory tree, and files put into it
- edit      the whole: changes to an image, as patches
"""
