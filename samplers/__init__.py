"""How noise becomes latents."""
