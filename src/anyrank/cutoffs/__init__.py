"""Cut-offs with a guarantee: scores calibrated on judged queries, and thresholds that bound what is lost."""
