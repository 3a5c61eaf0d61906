"""Readers of photographs, a file each, named as the `source` of a face set: `read` gives their faces one by one."""
