"""The page of a generator in Chromium: it draws what `predict` computes, and reacts to its reader."""

import re

import javascript
import numpy as np
import pytest
from browser_helpers import overflows
from layer_cases import LAYERS, labels_for
from test_generator_page import HOSTILE, small
from test_network_js import networks, varied

from minigan import Sequential, pictures
from minigan.experiments import EXPERIMENTS
from minigan.gan import latent
from minigan.layers import Conv2DTranspose, Dense, Reshape, Tanh
from minigan.pages.generator import write_generator
from minigan.pages.network_data import network_data

pytestmark = pytest.mark.browser
NORMAL = latent.Normal(5)


def predicted(page, x, labels=None):
    """What the network of a page gives in Chromium."""
    job = javascript.job(None, x, labels)
    script = """({ latents, n, labels }) =>
      Array.from(new Network(pageData("generator").network).predict(Float64Array.from(latents), n, labels))"""
    return np.array(page.evaluate(script, job))


def test_every_layer_computes_in_chromium_what_predict_does(open_page, tmp_path, rng):
    write_generator(tmp_path / "g.html", small(), NORMAL)  # for its scripts
    page = open_page(tmp_path / "g.html")
    script = """({ network, latents, n, labels }) =>
      Array.from(new Network(network).predict(Float64Array.from(latents), n, labels))"""
    for name, net in zip(LAYERS, networks(rng), strict=True):
        x = rng.standard_normal((5, *net.input_shape)).astype("float32")
        given = labels_for(net, 5)
        y = page.evaluate(script, javascript.job(network_data(net), x, given.get("labels")))
        expected = net.predict(x, **given)
        np.testing.assert_allclose(np.reshape(y, expected.shape), expected, rtol=1e-5, atol=1e-5, err_msg=name)


def different_generators():
    """One experiment for each generator: many experiments have the same one."""
    found = {}
    for experiment in EXPERIMENTS.values():
        layers = experiment.layers_of("generator", experiment.image_shape, experiment.classes)
        key = (repr(layers), experiment.latent.size, experiment.image_shape)
        found.setdefault(re.sub(r"0x\w+", "", repr(key)), experiment)
    return list(found.values())


@pytest.mark.parametrize("experiment", different_generators(), ids=lambda experiment: experiment.name)
def test_the_generator_of_every_experiment_computes_in_chromium_what_predict_does(
    experiment, open_page, tmp_path, rng, monkeypatch
):
    monkeypatch.setattr("minigan.pages.generator.SHOWN", 2)  # the page itself draws little
    net = varied(experiment.make_networks(experiment.image_shape, classes=experiment.classes)[0], rng)
    write_generator(tmp_path / "g.html", net, experiment.latent, data_range=experiment.data_range)
    page = open_page(tmp_path / "g.html")
    z = experiment.latent.sample(2, rng)
    labels = None if net.classes is None else np.array([1, net.classes - 1])
    y = predicted(page, z, labels).reshape(2, *net.output_shape)
    np.testing.assert_allclose(y, net.predict(z, labels=labels), rtol=1e-5, atol=1e-5)


def wait_for_grid(page):
    """Wait until all images of the grid are drawn."""
    page.locator("#generator-grid[aria-busy=false]").wait_for()


def pixels(page, name):
    """The pixels of a canvas: (height, width, 4) bytes"""
    width, height, values = page.evaluate(
        """(name) => { const c = document.getElementById(name);
        return [c.width, c.height, Array.from(c.getContext("2d").getImageData(0, 0, c.width, c.height).data)] }""",
        name,
    )
    return np.array(values, "uint8").reshape(height, width, 4)


def colours(images, low=-1, high=1):
    """Images as a canvas holds them: RGBA."""
    found = pictures.to_uint8(images, low, high)
    alpha = np.full((*found.shape[:3], 1), 255, "uint8")
    return found if found.shape[3] == 4 else np.concatenate([np.broadcast_to(found, (*found.shape[:3], 3)), alpha], 3)


def assert_same_pixels(found, expected):
    """Half a step may be rounded to either side."""
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.fixture
def opened(open_page, tmp_path):
    """A function that opens the page of a small network, and waits until its grid is drawn."""

    def opened(net, drawn=NORMAL, **options):
        data_range = options.pop("data_range", (-1, 1))
        write_generator(tmp_path / "g.html", net, drawn, HOSTILE, command="python x", data_range=data_range)
        page = open_page(tmp_path / "g.html", **options)
        wait_for_grid(page)
        return page

    return opened


@pytest.mark.parametrize(
    ("shape", "drawn", "data_range"),
    [
        ((4, 3, 1), NORMAL, (-1, 1)),
        ((3, 4, 3), latent.Uniform(5, low=0), (0, 1)),
        ((2, 2, 4), NORMAL, (-1, 1)),
    ],
)
def test_the_grid_shows_the_images_of_the_seed(opened, shape, drawn, data_range):
    net = small(shape)
    page = opened(net, drawn, data_range=data_range)
    page.get_by_role("spinbutton", name="Seed").fill("12345")
    wait_for_grid(page)
    assert page.get_by_text("--seed 12345").is_visible() and page.get_by_text("64 images in").is_visible()
    expected = colours(net.predict(drawn.sample(64, np.random.default_rng(12345))), *data_range)
    found, (h, w, _) = pixels(page, "generator-grid"), shape
    assert found.shape == (8 * (h + 2) + 2, 8 * (w + 2) + 2, 4)
    tiles = found[2:, 2:].reshape(8, h + 2, 8, w + 2, 4)[:, :h, :, :w].swapaxes(1, 2).reshape(64, h, w, 4)
    if shape[2] != 4:  # a canvas keeps colours less exactly where they are transparent
        assert_same_pixels(tiles, expected)
    assert_same_pixels(tiles[..., 3], expected[..., 3])


def test_the_slider_moves_along_the_path(opened):
    net = small()
    page = opened(net)
    z = NORMAL.sample(64, np.random.default_rng(0))
    slider = page.get_by_role("slider", name="Place on the path")

    def shown_is(t, start, end):
        page.get_by_text(f"{round(100 * t)} % of the way from image {start} to image {end}.").wait_for()
        path = latent.slerp(z[start - 1], z[end - 1], 101)
        assert_same_pixels(pixels(page, "path-image"), colours(net.predict(path[[round(100 * t)]]))[0])

    shown_is(0, 1, 6)
    slider.focus()
    slider.press("ArrowRight")
    shown_is(0.01, 1, 6)
    slider.fill("0.5")
    shown_is(0.5, 1, 6)
    slider.press("End")
    shown_is(1, 1, 6)
    page.get_by_role("spinbutton", name="to image").fill("64")
    shown_is(1, 1, 64)
    for name, image in (("path-start", 1), ("path-end", 64)):
        assert_same_pixels(pixels(page, name), colours(net.predict(z[[image - 1]]))[0])


def test_a_click_leads_the_path_to_an_image(opened):
    page = opened(small(), reduced_motion="reduce")
    grid = page.get_by_role("img", name="64 generated images of the seed 0, 8 in a row")
    box = grid.bounding_box()
    grid.click(position={"x": box["width"] * 2.5 / 8, "y": box["height"] * 1.5 / 8})  # the third of the second row
    page.get_by_text("100 % of the way from image 6 to image 11.").wait_for()
    frame = pixels(page, "generator-grid")[4 + 2 + 1, [0, 6 * 5 - 5, 2 * 5]]
    assert frame[2, 3] == 255 and frame[0, 3] == 0, "the frame is around the image that was clicked"
    page.get_by_role("button", name="Play").click()
    page.get_by_text("0 % of the way from image 6 to image 11.", exact=False).wait_for()


def test_play_moves_to_the_end_by_itself(opened):
    page = opened(small())
    page.get_by_role("button", name="Play").click()
    page.get_by_text("100 % of the way").wait_for()
    assert page.get_by_role("slider", name="Place on the path").input_value() == "1"


def test_new_latents_are_those_of_another_seed(opened):
    page = opened(small())
    before = pixels(page, "generator-grid")
    page.get_by_role("button", name="New latents").click()
    wait_for_grid(page)
    seed = page.get_by_role("spinbutton", name="Seed").input_value()
    assert seed != "0" and page.get_by_text(f"python x --seed {seed}").is_visible()
    assert (pixels(page, "generator-grid") != before).any()
    for wrong in ("", "-1", "1.5", str(2**53)):
        page.get_by_role("spinbutton", name="Seed").fill(wrong)
        page.get_by_text("A seed is a whole number from 0 to 9,007,199,254,740,991.").wait_for()


def test_the_class_picker_chooses_what_is_made(opened):
    net = small(classes=3)
    page = opened(net)
    assert pixels(page, "generator-grid").shape == (3 * 6 + 2, 10 * 5 + 2, 4), "a row for each class"
    z = NORMAL.sample(64, np.random.default_rng(0))
    first, second = page.get_by_role("combobox", name="Class").all()
    assert first.locator("option").all_inner_texts() == ["all, a row each", "0", "1", "2"]

    rows = pixels(page, "generator-grid")[2:, 2:].reshape(3, 6, 10, 5, 4)[:, :4, :, :3].swapaxes(1, 2)
    expected = colours(net.predict(z[:30], labels=np.repeat([0, 1, 2], 10)))
    assert_same_pixels(rows.reshape(30, 4, 3, 4), expected)

    first.select_option("2")
    wait_for_grid(page)
    assert page.get_by_text("--seed 0 --labels 2").is_visible()
    found = pixels(page, "generator-grid")[2:6, 2:5]
    assert_same_pixels(found, colours(net.predict(z[:1], labels=[2]))[0])

    for k in (0, 1):
        second.select_option(str(k))
        assert_same_pixels(pixels(page, "path-image"), colours(net.predict(z[:1], labels=[k]))[0])

    first.select_option("all")
    wait_for_grid(page)
    grid = page.locator("#generator-grid")
    box = grid.bounding_box()
    grid.click(position={"x": box["width"] * 3.5 / 10, "y": box["height"] * 2.5 / 3})  # the fourth of the third row
    assert second.input_value() == "2", "the path leads to the image that was clicked"
    assert_same_pixels(pixels(page, "path-end"), colours(net.predict(z[[23]], labels=[2]))[0])


def test_hostile_names_are_shown_as_they_are(opened):
    page = opened(small())
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_fits_the_window(opened, width, dark):
    page = opened(small((28, 28, 1), classes=3), width=width, dark=dark)
    assert not overflows(page)
    for control in page.locator("button, input, select").all():
        box = control.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and min(box["width"], box["height"]) >= 24


def test_every_control_has_a_name_and_its_turn(opened):
    """By the Tab key a reader comes to all of them, in the order of the page."""
    page = opened(small(classes=3))
    names = []
    for _ in range(12):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id"))
    controls = [
        "generator-seed",
        "generator-class",
        "generator-new",
        "path-from",
        "path-to",
        "path-class",
        "path-play",
        "path-place",
    ]
    assert [name for name in names if name in controls] == controls
    for role, name in [("spinbutton", "Seed"), ("combobox", "Class"), ("slider", "Place on the path")]:
        assert page.get_by_role(role, name=name).count() >= 1


def test_the_page_reacts_while_a_slow_network_draws(opened):
    """A picture takes a tenth of a second or more here; a new seed does not wait for all 64."""
    side = 16
    layers = [Dense(side * side * 32), Reshape((side, side, 32)), Conv2DTranspose(48, 5), Conv2DTranspose(3, 5), Tanh()]
    page = opened(Sequential(layers, input_shape=(5,)))
    page.get_by_role("button", name="New latents").click()
    begin = page.evaluate("performance.now()")
    page.get_by_role("spinbutton", name="Seed").fill("7")
    page.get_by_text("--seed 7").wait_for()
    waited = page.evaluate("performance.now()") - begin
    wait_for_grid(page)
    whole = page.evaluate("performance.now()") - begin
    assert waited < whole / 2
