"""What a simulated projection must suffer to look measured."""
