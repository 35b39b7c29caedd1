"""Squeeze images of digits into 16 numbers, and draw the digits again from these numbers.

    python examples/autoencoder.py                               10,000 built-in digits, half a minute

The encoder turns an image into 16 numbers. The decoder turns the 16 numbers into an image. Both learn together, from
the difference between the image that goes in and the image that comes out. The pictures show digits, and below each
digit what came out.
"""

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data, pictures
from minigan.cli.arguments import example_options
from minigan.cli.program import run_program
from minigan.layers import Dense, Flatten, ReLU, Reshape, Tanh
from minigan.losses import MeanSquaredError
from minigan.optimizers import Adam

EPOCHS, BATCH_SIZE, CODE_SIZE, LEARNING_RATE = 20, 100, 16, 1e-3


def main(options):
    images = data.load(options.dataset, directory=options.data_dir, **options.data_options).images
    image_shape = images.shape[1:]
    pixels = int(np.prod(image_shape))
    encoder = Sequential([Flatten(), Dense(256), ReLU(), Dense(CODE_SIZE)])
    decoder = Sequential([Dense(256), ReLU(), Dense(pixels), Tanh(), Reshape(image_shape)])
    net = Sequential([encoder, decoder], image_shape, seed=options.seed, device=options.device)
    net.parallel(options.workers)
    loss, optimizer = MeanSquaredError(), Adam(net, lr=LEARNING_RATE, beta1=0.9)
    rng = np.random.default_rng(options.seed)
    shown = backend.to_device(data.scale(images[:10]), net.xp)
    images = backend.to_device(images, net.xp)
    out = pictures.folder_for_epochs(options.out)

    bar = tqdm(range(1, options.epochs + 1), unit="epoch")
    for epoch in bar:
        for x in data.batches(images, options.batch_size, rng, low=-1, high=1):
            value, dy = loss(net.forward(x, training=True), x)
            net.zero_grads()
            net.backward(dy, input_grad=False)
            optimizer.step()
        bar.set_postfix_str(f"mean squared error {float(value):.4f}")
        rows = backend.to_cpu(net.xp.concatenate([shown, net.predict(shown)]))
        pictures.save_png(out / f"epoch_{epoch:03}.png", pictures.grid(rows, columns=len(shown)))

    print(f"A picture for each epoch is in {out.resolve()}")


if __name__ == "__main__":
    what = "Squeeze digits through 16 numbers."
    run_program(main, example_options(what, EPOCHS, BATCH_SIZE, out="out/autoencoder"))
