"""What a face set holds: attributes, identities that are someone's, identities that are alike."""
