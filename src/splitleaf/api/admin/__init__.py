"""The admin API: everything that names model versions. Every route requires a key or a session."""
