"""The commands besides serving: a module for each; main() takes the arguments after the command's name."""
