"""Families of edits, a file each.

`identity` tells whether a family without any budget leaves every image as it is.
"""
