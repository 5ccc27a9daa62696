"""`python -m amodalsynth_cli`, for an environment whose scripts are not on the path."""

from .main import main

main()
