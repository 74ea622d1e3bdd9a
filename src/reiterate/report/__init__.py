"""Reports: self-contained HTML pages and pictures of what a stream cost, and of who would have done better."""
