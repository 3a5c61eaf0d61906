"""Where arithmetic runs: devices, training loops, decoded images, seeds."""
