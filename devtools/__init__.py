"""What dev.py is made of: hosts, environments, the browser. Standard library only."""
