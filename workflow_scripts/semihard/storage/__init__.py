"""What is kept: face sets, artifacts, checkpoints, and how they get whole onto a disk."""
