"""What to distrust in a text that a model wrote: findings on what a completion or an action puts into a file."""
