"""`python -m splitleaf`."""

from splitleaf.cli import main

main()
