"""How the trained tiny models came about; tests/tiny/train.py runs the stages one after the other."""
