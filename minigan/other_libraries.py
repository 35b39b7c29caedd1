"""Names that networks and optimizers have in PyTorch or Keras, and not here: the error says what to write instead.

All of them, side by side: docs/coming_from.md
"""

from typing import TYPE_CHECKING

LOOP = "Write the loop: forward, loss, zero_grads, backward, optimizer.step() (docs/coming_from.md)."
ALL_AT_ONCE = "Give all layers at once: Sequential([Dense(64), ReLU(), Dense(10)], input_shape=(784,))."
OF_NETWORKS = {
    "train": "Say it in each pass: net.forward(x, training=True).",
    "eval": "Nothing has to be switched: net.predict(x) is always inference.",
    "fit": LOOP,
    "compile": LOOP,
    "train_on_batch": LOOP,
    "evaluate": "Compare net.predict(x) with the targets: (net.predict(x).argmax(axis=1) == labels).mean().",
    "zero_grad": "Write net.zero_grads().",
    "parameters": 'Write net.params, a mapping: net.params["0.Dense.W"]. All in one vector: net.flat_params.',
    "named_parameters": "Write net.params.items().",
    "trainable_weights": "Write net.params, a mapping by name, or net.flat_params, one vector.",
    "weights": "Write net.params, a mapping by name, or net.flat_params, one vector.",
    "get_weights": "Write net.params, or minigan.interop.to_keras(net).",
    "set_weights": 'Write net.params["0.Dense.W"] = w, or minigan.interop.from_keras(net, weights).',
    "state_dict": "Write net.save(path), then Sequential.load(path); or minigan.interop.to_torch(net).",
    "load_state_dict": "Write Sequential.load(path), or minigan.interop.from_torch(net, tensors).",
    "requires_grad_": "To freeze a network or a layer: net.trainable = False.",
    "cuda": 'Write net.to("gpu"), which returns a copy.',
    "cpu": 'Write net.to("cpu"), which returns a copy.',
    "add": ALL_AT_ONCE,
    "append": ALL_AT_ONCE,
}
OF_OPTIMIZERS = {
    "zero_grad": "The network holds the gradients: net.zero_grads().",
    "learning_rate": "Write optimizer.lr.",
    "param_groups": "Write optimizer.lr, which can be set. An optimizer has one network.",
    "apply_gradients": "Write optimizer.step(), after net.backward(dy).",
    "minimize": "Write net.backward(dy), then optimizer.step().",
    "state_dict": "GAN.save(path) saves optimizers, too. For one alone: pickle, or its arrays in optimizer.state.",
    "load_state_dict": "GAN.load(path) loads optimizers, too. For one alone: pickle, or its arrays in optimizer.state.",
}
EACH_BATCH = "Write a loop: for each batch of images, gan.train_step(images)."
OF_GANS = {
    "train": EACH_BATCH,
    "fit": EACH_BATCH,
    "compile": "Give GAN(...) its objective and optimizers.",
    "eval": "Nothing has to be switched: gan.sample(n) is always inference.",
    "generate": "Write gan.sample(n).",
    "predict": "Write gan.sample(n), or gan.generator.predict(latents).",
    "parameters": "Each network has its own: gan.generator.params, gan.discriminator.params.",
    "state_dict": "Write gan.save(path), then GAN.load(path).",
    "load_state_dict": "Write GAN.load(path).",
}


class NamesOfOthers:
    """The base class of what has such names; `elsewhere` is its table."""

    elsewhere: dict[str, str] = {}

    if not TYPE_CHECKING:  # for mypy, an unknown name stays an error

        def __getattr__(self, name):
            """Say what to write here for a name of another library."""
            if name in self.elsewhere:
                kind = type(self).__name__
                raise AttributeError(f"{kind} has no {name!r} in minigan. {self.elsewhere[name]}")
            return super().__getattribute__(name)  # Python's own error, or that of a property that failed
