"""Plays real operations in every order and with every fault."""
