"""From the config to jobs: the settings, inputs and outputs of each."""
