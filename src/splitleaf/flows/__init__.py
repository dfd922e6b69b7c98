"""One file a journey. Read this folder first."""
