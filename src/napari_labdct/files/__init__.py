"""What files hold, turned into nouns and back."""
