"""The attribute study: labels, the classifier on embeddings, annotation of any face set, and what two sets differ in."""
