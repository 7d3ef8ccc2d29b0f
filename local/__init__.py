"""The local stack: the project's own template, deployed into an AWS that is one process on this machine."""
