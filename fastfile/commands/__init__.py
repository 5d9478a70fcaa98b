"""What fastfile does beside serving, a module for each word; main() takes the arguments after it."""
