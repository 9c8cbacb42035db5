"""Long video by windows: what one window is, in which order, and what passes from one to the next."""
