"""The app store's rules as pure functions over documents that somebody else has fetched."""
