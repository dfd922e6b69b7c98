"""HTTP mechanics that both APIs share: the server protocol, middleware, bounded bodies and problem documents."""
