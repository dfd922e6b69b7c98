"""A network of an untrusted client, held by a capped child process: nothing of it is parsed or run in any other."""

from splitleaf.importing.network.capped import CappedNetwork, OpenedNetwork, open_network, verify_in_child

__all__ = ["CappedNetwork", "OpenedNetwork", "open_network", "verify_in_child"]
