"""What several tests share: the pack under an alias, a running host, rules about source files."""
