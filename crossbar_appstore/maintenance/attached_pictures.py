"""The pictures of a stored app: which of them stay, which are replaced, which go. No I/O."""

from collections.abc import Collection, Iterable, Iterator

from crossbar_appstore.json_codec import JsonObject
from crossbar_appstore.kazoo.values import list_at, object_at
from crossbar_appstore.maintenance.field_changes import PictureChange
from crossbar_appstore.maintenance.picture_files import PictureFile


def is_stored(picture: PictureFile, stubs: JsonObject, same: Collection[str] = ()) -> bool:
    """Whether a picture is attached as it is.

    Args:
        picture: on disk.
        stubs: the document's ``_attachments``.
        same: names of pictures that are known to be equal, whatever their digests say.
    """
    stub = object_at(stubs, picture.name)
    if stub.get("content_type") != picture.content_type:
        return False
    return picture.name in same or stub.get("digest") == picture.digest


def doubtful(pictures: Iterable[PictureFile], stored: JsonObject) -> tuple[PictureFile, ...]:
    """Pictures that may be attached although their digest differs: CouchDB can compress what it stores."""
    stubs = object_at(stored, "_attachments")
    return tuple(
        picture
        for picture in pictures
        if object_at(stubs, picture.name).get("length") == picture.length
        and object_at(stubs, picture.name).get("digest") != picture.digest
    )


def named_pictures(document: JsonObject) -> tuple[str, ...]:
    """The names of the icon and of the screenshots, each once, as far as they are texts and not empty."""
    names = (document.get("icon"), *list_at(document, "screenshots"))
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def kept_stubs(
    stubs: JsonObject, document: JsonObject, inline: Iterable[PictureFile], *, remove_old: bool
) -> JsonObject:
    """The attachments that stay: all of them, unless what nothing names any more shall go.

    Those that ``inline`` replaces count as staying.
    """
    if not remove_old:
        return stubs
    named = {*named_pictures(document), *(picture.name for picture in inline)}
    return {name: stub for name, stub in stubs.items() if name in named}


def with_stubs(document: JsonObject, stubs: JsonObject) -> JsonObject:
    """The document with these attachments and no others."""
    bare = {key: value for key, value in document.items() if key != "_attachments"}
    return {**bare, "_attachments": stubs} if stubs else bare


def with_pictures(document: JsonObject, inline: Iterable[PictureFile]) -> JsonObject:
    """The document with the bytes of these pictures in it, ready to be saved; reads the files.

    Raises:
        FileMissing, FileRefused: a file is not what it was.
    """
    added = {picture.name: picture.inline() for picture in inline}
    return {**document, "_attachments": {**document.get("_attachments", {}), **added}} if added else document


def picture_changes(before: JsonObject, after: JsonObject, inline: Iterable[PictureFile]) -> tuple[PictureChange, ...]:
    """What becomes of the attachments: those that are brought, then those that go."""
    return tuple(_changes(before, after, inline))


def _changes(before: JsonObject, after: JsonObject, inline: Iterable[PictureFile]) -> Iterator[PictureChange]:
    for picture in inline:
        yield PictureChange(picture.name, _length(before, picture.name), picture.length, picture.content_type)
    for name in before:
        if name not in after:
            yield PictureChange(name, _length(before, name), None)


def _length(stubs: JsonObject, name: str) -> int | None:
    length = object_at(stubs, name).get("length")
    return length if isinstance(length, int) else None
