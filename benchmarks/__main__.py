"""`python -m benchmarks [RUNS]`: every timing there is, a line of JSON each."""

import sys

from benchmarks import bulk_load, hidden, proofs, verify_bundle

if __name__ == "__main__":
    bulk_load.main(*map(int, sys.argv[1:]))
    proofs.main()
    hidden.main()
    verify_bundle.main(*map(int, sys.argv[1:]))
