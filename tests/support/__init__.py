"""What the integration tests stand on: real peers, started, watched and ended."""
