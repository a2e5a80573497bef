"""The framework: HTTP, envelopes and the resource pattern of Crossbar; knows nothing of apps, accounts or CouchDB."""
