"""The local stack: template.yaml, deployed into an AWS emulator that is one process on this machine."""
