"""The forms that a face set is exported in, a file each: `write(labelled, folder, advance)`."""
