"""A whole experiment in a minute: real versions, the real system, and visitors whose images' truth is known."""
