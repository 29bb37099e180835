"""Runs a step by its name: `python -m pipeline_steps evaluation.attack_defense …`."""

from pipeline_steps.core.pool_client import main

CHANGES_NO_RESULT = True

if __name__ == "__main__":
    main()
