"""Who is calling, and what may they touch: tokens, identities, credentials, hierarchy, restrictions."""
