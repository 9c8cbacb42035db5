"""FramePack on the host's own HunyuanVideo class: names, fused weights, the network, the model, the file."""
