"""What leaves and enters the data folder as files: JSON Lines, CSV, HAR."""
