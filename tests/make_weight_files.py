"""Make the files of PyTorch and Keras in tests/files/weights: small networks, inputs, and the outputs they give.

    python tests/make_weight_files.py torch        where PyTorch and safetensors are
    python tests/make_weight_files.py keras        where Keras and h5py are

tests/test_torch_weights.py and tests/test_keras_weights.py read them, without the two libraries.
"""

import sys
from pathlib import Path

import numpy as np

FILES = Path(__file__).resolve().parent / "files" / "weights"


def torch_modules():
    """Return name -> (module, input)."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Named(nn.Module):
        """A generator whose modules have names, as in many programs."""

        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(6, 4 * 3 * 3, bias=False)
            self.bn1 = nn.BatchNorm1d(4 * 3 * 3)
            self.up1 = nn.ConvTranspose2d(4, 4, 5, stride=2, padding=2, output_padding=1)
            self.bn2 = nn.BatchNorm2d(4)
            self.up2 = nn.ConvTranspose2d(4, 2, 3, stride=1, padding=1, groups=2, bias=False)

        def forward(self, x):
            x = torch.relu(self.bn1(self.fc(x))).view(-1, 4, 3, 3)
            return torch.tanh(self.up2(torch.relu(self.bn2(self.up1(x)))))

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(3, 4, num_layers=2, batch_first=True)
            self.norm = nn.LayerNorm(4)
            self.out = nn.Linear(4 * 5, 2)

        def forward(self, x):
            return self.out(self.norm(self.lstm(x)[0]).flatten(1))

    class Labels(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.out = nn.Embedding(5, 4), nn.Linear(4, 3)

        def forward(self, labels):
            return self.out(self.table(labels))

    discriminator = nn.Sequential(
        nn.Conv2d(2, 4, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 6, 3, 1, 2, dilation=2, groups=2, bias=False),
        nn.BatchNorm2d(6),
        nn.LeakyReLU(0.2),
        nn.GroupNorm(3, 6),
        nn.InstanceNorm2d(6, affine=True),
        nn.Flatten(),
        nn.Linear(6 * 3 * 3, 5),
        nn.LeakyReLU(0.2),
        nn.Linear(5, 5),
        nn.BatchNorm1d(5, affine=False),
        nn.Linear(5, 1),
    )
    mlp = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Unflatten(1, (3, 2, 2)))
    modules = {
        "generator": (Named(), torch.randn(3, 6)),
        "discriminator": (discriminator, torch.randn(3, 2, 6, 6)),
        "mlp": (mlp, torch.randn(3, 4)),
        "sequence": (Sequence(), torch.randn(3, 5, 3)),
        "labels": (Labels(), torch.tensor([4, 0, 2])),
    }

    class Normed(nn.Module):
        """Every layer that has a spectral norm here, too; norm: PyTorch's newer or older spectral_norm."""

        def __init__(self, norm):
            super().__init__()
            self.table, self.fc = norm(nn.Embedding(5, 4)), norm(nn.Linear(4, 18))
            self.up = norm(nn.ConvTranspose2d(2, 4, 4, 2, 1))
            self.conv1, self.norm = norm(nn.Conv2d(4, 6, 3, 2, 1, groups=2, bias=False)), nn.BatchNorm2d(6)
            self.fc1, self.fc2 = norm(nn.Linear(6 * 3 * 3, 5)), norm(nn.Linear(5, 3, bias=False))

        def forward(self, labels):
            x = torch.tanh(self.fc(self.table(labels))).view(-1, 2, 3, 3)
            x = torch.relu(self.norm(self.conv1(torch.tanh(self.up(x)))))
            return self.fc2(torch.tanh(self.fc1(x.flatten(1))))

    for name, norm in (("spectral", nn.utils.parametrizations.spectral_norm), ("older", nn.utils.spectral_norm)):
        modules[name] = Normed(norm), torch.tensor([4, 0, 2])
    return modules


def torch_files():
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    modules = torch_modules()
    for name in ("spectral", "older"):
        for _ in range(500):  # the power iteration converges
            modules[name][0].train()(torch.arange(5))
    for name, (module, x) in modules.items():
        if x.dtype == torch.float32:
            module.train()(torch.randn(20, *x.shape[1:]) + 1)  # the running statistics move
        y = module.eval()(x).detach()
        save_file(
            {key: value.contiguous() for key, value in module.state_dict().items()}, FILES / f"torch_{name}.safetensors"
        )
        x, y = (channels_last(np.asarray(array)) for array in (x, y))
        np.savez(FILES / f"torch_{name}_outputs.npz", x=x, y=y)
    np.savez(FILES / "torch_mlp.npz", **{key: value.numpy() for key, value in modules["mlp"][0].state_dict().items()})
    print(f"torch {torch.__version__}")


def channels_last(array):
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array


def keras_files():
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    images = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.BatchNormalization(name="first_norm"),
            layers.LeakyReLU(),
            layers.Conv2D(4, 3, dilation_rate=2, padding="same", groups=2, use_bias=False),
            layers.GroupNormalization(2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(12, activation="relu"),
            keras.Sequential([layers.Dense(10), layers.LayerNormalization()]),
            layers.Dense(12),
            layers.BatchNormalization(),
            layers.Reshape((2, 2, 3)),
            layers.Conv2DTranspose(2, 5, strides=2, padding="same"),
            layers.UpSampling2D(2),
            layers.Conv2DTranspose(1, 3, padding="valid", activation="tanh"),
        ],
        name="images",
    )
    sequence = keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.LSTM(4, return_sequences=True, name="first"),
            layers.LSTM(4, use_bias=False, name="second"),
            layers.Dense(2, name="third"),
            layers.BatchNormalization(scale=False, name="fourth"),
        ],
        name="sequence",
    )
    words = keras.Sequential(
        [keras.Input((), dtype="int32"), layers.Embedding(5, 4), layers.Dense(3, name="last")], name="labels"
    )
    rng = np.random.default_rng(0)
    normed = keras.Sequential([keras.Input((6, 6, 2)), *normed_layers(layers)], name="spectral")
    for model in (images, sequence, words, normed):
        values = [rng.normal(0.1, 0.2, weight.shape).astype("float32") for weight in model.weights]
        model.set_weights(
            [np.abs(v) if "variance" in w.path else v for v, w in zip(values, model.weights, strict=True)]
        )
        x = rng.normal(0, 1, (3, *model.input_shape[1:])).astype("float32")
        x = np.array([4, 0, 2]) if model is words else x
        for _ in range(500 if model is normed else 0):  # the power iteration converges
            model(x, training=True)
        y = keras.ops.convert_to_numpy(model(x, training=False))
        np.savez(FILES / f"keras_{model.name}_outputs.npz", x=x, y=y)
        model.save(FILES / f"keras_{model.name}.keras")
    normed.save_weights(FILES / "keras_spectral.weights.h5")
    normed.save(FILES / "keras_spectral.h5")
    np.savez(FILES / "keras_spectral_list.npz", **{f"array_{k:02}": a for k, a in enumerate(normed.get_weights())})
    images.save_weights(FILES / "keras_images.weights.h5")
    images.save(FILES / "keras_images.h5")
    np.savez(FILES / "keras_images_list.npz", **{f"array_{k:02}": a for k, a in enumerate(images.get_weights())})
    print(f"keras {keras.__version__}, {keras.backend.backend()}")


def normed_layers(layers):
    """Return layers of Keras, those with weights under a spectral norm."""
    normed = layers.SpectralNormalization
    return [
        normed(layers.Conv2D(4, 3, strides=2, padding="same"), name="first_normed"),
        layers.LeakyReLU(),
        normed(layers.Conv2D(4, 3, padding="same", groups=2, use_bias=False)),
        layers.Flatten(),
        normed(layers.Dense(5)),
        normed(layers.Dense(5, use_bias=False)),
    ]


if __name__ == "__main__":
    FILES.mkdir(parents=True, exist_ok=True)
    {"torch": torch_files, "keras": keras_files}[sys.argv[1]]()
