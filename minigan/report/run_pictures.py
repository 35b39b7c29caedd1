"""The pictures of a run in its page: the slider through its grids, real images, nearest ones, the average."""

from minigan.pages import element
from minigan.pages.markup import data_uri
from minigan.report import grids

ROOM = 4_600_000  # characters for all pictures of a page, as base64; the rest of 5 MB is for text and programs


class Room:
    """The characters that are left for pictures."""

    def __init__(self, characters=ROOM):
        self.left = characters

    def take(self, picture):
        """Return the address that holds a picture, or None if there is no room for it."""
        if picture is None or picture.characters > self.left:
            return None
        self.left -= picture.characters
        return data_uri(picture.content, picture.kind)


def samples_part(record, real, read, room, notes):
    """Return the slider through the grids beside real images, and the data of the slider."""
    beside = room.take(real)
    fallback = None
    if beside is None:
        fallback = whole_figure(
            record,
            "real_beside_generated.png",
            "Real images on the left, generated ones on the right.",
            room,
            notes.append,
        )
    packed, sentence = grids.pack_grids(read, room.left)
    if sentence:
        notes.append(sentence)
    slides = [{"epoch": picture.epoch, "src": room.take(picture)} for picture in packed]
    if not slides:
        return [element("p", sentence or why_no_grids(record), class_="soft"), fallback], []
    last = packed[-1]
    size = {"width": 2 * last.width, "height": 2 * last.height}
    shown = element("img", id="grid", class_="pixels", src=slides[-1]["src"], alt=alt_of_grid(last.epoch), **size)
    slider = element(
        "div",
        element("label", "Epoch", for_="epoch"),
        element("input", type="range", id="epoch", min=0, max=len(slides) - 1, value=len(slides) - 1, step=1),
        element("output", str(last.epoch), id="epoch-shown", for_="epoch"),
        element("button", "Play", type="button", id="play"),
        class_="slider",
        hidden=True,
    )
    figures = [element("figure", shown, slider, element("figcaption", caption_of_grids(slides)))]
    if beside is not None:
        picture = element(
            "img",
            class_="pixels",
            src=beside,
            alt="Real images of the data set",
            width=2 * real.width,
            height=2 * real.height,
        )
        figures.append(element("figure", picture, element("figcaption", "Real images of the data set, to compare.")))
    return [element("div", figures, class_="beside"), fallback], slides


def why_no_grids(record):
    why = "There is no grid." if record.history else "The first grid of samples is drawn at the end of an epoch."
    return f"This run has no pictures of samples. {why}"


def alt_of_grid(epoch):
    return f"A grid of generated images after epoch {epoch:,}"


def caption_of_grids(slides):
    if len(slides) == 1:
        return f"Generated images after epoch {slides[0]['epoch']:,}, the only one with a picture."
    return "Generated images, always from the same latents. Move through the epochs."


def average_part(record, read, room, say):
    """Return the last samples of the average beside those of the raw generator, where the run has an average."""
    if (record.config.settings or {}).get("ema") is None:
        return None
    heading = element("h3", "The average beside the raw generator")
    about = "The samples are made by a moving average of the generator (docs/gan.md)."
    raw = grids.read_picture(record.path / grids.SAMPLES_FOLDER / "raw.png", say)
    last = grids.as_png(read[-1][1], read[-1][0]) if read else None
    if raw is None or last is None:
        caption = "Samples of the raw generator, and of its moving average."
        figure = whole_figure(record, "raw_beside_averaged.png", caption, room, say)
        return [
            heading,
            figure or element("p", f"{about} A picture of both is drawn at the end of a run.", class_="soft"),
        ]
    figures = []
    for picture, caption in (
        (last, f"The average, after epoch {last.epoch:,}"),
        (raw, "The generator after its last step, from the same latents"),
    ):
        address = room.take(picture)
        if address is None:
            say(f"This page has no room for a picture: {caption}.")
            continue
        size = {"width": 2 * picture.width, "height": 2 * picture.height}
        shown = element("img", class_="pixels", src=address, alt=caption, **size)
        figures.append(element("figure", shown, element("figcaption", f"{caption}.")))
    return [heading, element("p", about, class_="soft"), element("div", figures, class_="beside")]


def nearest_part(record, name, old, room, say):
    """Return samples and their nearest training images."""
    caption = "Samples, and below each the training image nearest to it: are they copies?"
    picture = grids.read_picture(record.path / grids.SAMPLES_FOLDER / name, say)
    address = room.take(picture)
    if address is None:
        return whole_figure(record, old, f"Samples, their classes, and the nearest training images ({old}).", room, say)
    size = {"width": 2 * picture.width, "height": 2 * picture.height}
    shown = element("img", class_="pixels", src=address, alt=caption, **size)
    return element("figure", shown, element("figcaption", caption))


def whole_figure(record, name, caption, room, say):
    """Return one of the run's own figures, drawn on white, or None."""
    picture = grids.read_picture(record.path / name, say, zoomed=False)
    address = room.take(picture)
    if address is None:
        return None
    shown = element("img", src=address, alt=caption, width=picture.width, height=picture.height, class_="paper")
    return element("figure", shown, element("figcaption", caption))
