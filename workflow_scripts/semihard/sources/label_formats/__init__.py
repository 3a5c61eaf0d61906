"""Forms of attribute labels, a file each, named as the `format` of a face set's `attributes`: `read` gives the join."""
