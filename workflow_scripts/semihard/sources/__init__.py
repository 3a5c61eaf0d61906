"""Where faces come from: one module per source, each giving `Face` records with bounded memory."""
