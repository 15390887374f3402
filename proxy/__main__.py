"""`python -m proxy` is `driftium`."""

from proxy.cli import main

if __name__ == "__main__":
    main()
