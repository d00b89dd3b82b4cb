"""Usage buckets, cost arithmetic and the dated price book. Stands alone: imports nothing of arc_proxy."""
