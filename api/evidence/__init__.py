"""What leaves the house as evidence: bundles, and the program that checks them."""
