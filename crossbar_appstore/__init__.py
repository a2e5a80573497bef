"""KAZOO's app-store endpoint as a service of its own."""

__version__ = "1.0.0"
