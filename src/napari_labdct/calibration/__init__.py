"""What a scan tells about itself: gain, background, noise, zingers."""
