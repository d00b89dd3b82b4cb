"""Alerts: rules over what the store knows, and who is told. Nothing here is on the way of a request."""
