"""What is to be said about a trained network wherever it goes: its recipe, its data and their licence, versions."""

import json
from dataclasses import asdict

import minigan
from minigan.data.licences import licence_of

PRIVATE = ("data_dir", "machine")  # entries of config.json that say where the run was trained, not how


def description_of(run, network):
    """Return a sentence about the generator or the discriminator of a TrainedRun."""
    config = run.config
    average = " (a moving average of its last steps)" if is_average(run, network) else ""
    return (
        f"The {network} of {config.experiment}{average}, a GAN that was trained on {config.dataset} for {run.step:,} "
        f"steps by minigan {config.versions.get('minigan', minigan.__version__)}."
    )


def is_average(run, network):
    """Return whether the network is the moving average of the generator."""
    return network == "generator" and run.gan.sampler(run.averaged) is not run.gan.generator


def facts_of(run, network):
    """Return what belongs to the generator or the discriminator of a TrainedRun, as texts by name.

    `recipe` is the config.json of the run, as JSON, without the places on the machine that trained it.
    """
    config = run.config
    recipe = {name: value for name, value in asdict(config).items() if name not in PRIVATE}
    return {
        "name": f"{config.experiment} {network}",
        "experiment": config.experiment,
        "network": network,
        "averaged": str(is_average(run, network)).lower(),
        "steps": str(run.step),
        "latent": str(run.experiment.latent),
        "data": config.dataset,
        "data_licence": licence_of(config.dataset),
        "data_range": json.dumps(list(run.experiment.data_range)),
        "recipe": json.dumps(recipe),
        "versions": json.dumps(config.versions),
    }
