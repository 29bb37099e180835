"""Four papers on adversarial robustness, reproduced as one pipeline.

The public names are those of `robust_papers`; they can be imported from here too.
"""

CHANGES_NO_RESULT = True

PUBLIC = {
    "Evaluation",
    "LoadedThreat",
    "Manifold",
    "PipelineError",
    "ReleasedDefense",
    "UnderThreat",
    "evaluate",
    "list_defenses",
    "list_threats",
    "load_defense",
    "load_generator",
    "load_images",
    "load_manifold",
    "load_threat",
}


def __getattr__(name: str) -> object:
    if name not in PUBLIC:
        raise AttributeError(f"module 'pipeline_steps' has no attribute '{name}'")
    # Only now: jobs import this package too, and would wait for all that this loads.
    import robust_papers

    return getattr(robust_papers, name)
