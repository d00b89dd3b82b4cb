"""What a report says: read from the store, judged by `analysis`, laid out for any surface."""
