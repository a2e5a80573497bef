"""The rules of the app store as pure functions over documents that the caller has fetched."""
