"""Attacks: the ascent of an edit, and those that go a way of their own, a file each."""
