"""Discovery messages and the choice among offers."""
