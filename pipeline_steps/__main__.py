"""Makes one result: `python -m pipeline_steps results/demo/index.html`."""

from pipeline_steps.core.pool_client import main

CHANGES_NO_RESULT = True

if __name__ == "__main__":
    main()
