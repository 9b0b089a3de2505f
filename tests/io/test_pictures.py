import io

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image as Pillow

from anyrank import InputError
from anyrank.core.content import Image, images_of, is_blank, parts_of, text_of
from anyrank.io.documents import query_of, ranking_of
from anyrank.io.pictures import decode, pictures_in, thumbnail


def png(picture, **options):
    file = io.BytesIO()
    picture.save(file, options.pop("format", "PNG"), **options)
    return Image(file.getvalue())


def test_a_picture_of_pillow_is_content():
    picture = Pillow.new("RGB", (3, 2), "red")
    (image,) = parts_of(picture)
    assert image.media_type == "image/png"
    assert decode(image).tobytes() == picture.tobytes()
    assert images_of({"text": "red", "image": picture}) == (image,)
    assert (text_of(picture), text_of({"text": "red", "image": picture}), is_blank(picture)) == ("", "red", False)
    assert query_of(picture).content == image
    assert ranking_of("red", [picture, {"id": "x", "image": picture}]).ids == ["0", "x"]
    with pytest.raises(InputError, match="documents is one document"):
        ranking_of("red", picture)
    with pytest.raises(InputError, match="convert it"):
        Image.of(Pillow.new("CMYK", (2, 2)))


def test_pictures_are_upright_and_opaque():
    clear = Pillow.new("RGBA", (2, 2), (255, 0, 0, 0))
    assert decode(png(clear)).getpixel((0, 0)) == (255, 255, 255)
    grey = Pillow.new("L", (2, 2), 7)
    assert decode(png(grey)).getpixel((0, 0)) == (7, 7, 7)
    wide = Pillow.new("RGB", (4, 2), "blue")
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert decode(png(wide, format="JPEG", exif=exif)).size == (2, 4)
    palette = Pillow.new("P", (2, 2), 0)
    palette.putpalette([0, 0, 0] * 256)
    assert decode(png(palette, transparency=0)).getpixel((0, 0)) == (255, 255, 255)


def test_damaged_and_huge_pictures_are_errors(monkeypatch):
    data = png(Pillow.new("RGB", (40, 40), "red")).source
    with pytest.raises(InputError, match="can't be decoded"):
        decode(Image(data[:60]))
    monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match="exceeds limit of 1000 pixels"):
        decode(Image(data))


def test_thumbnails_fit_and_folders_are_listed(tmp_path):
    shown = Image.parse(thumbnail(png(Pillow.new("RGB", (400, 100), "red")), 64))
    assert (decode(shown).size, shown.media_type) == ((64, 16), "image/jpeg")
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turned by a quarter
    large = png(Pillow.new("RGB", (1600, 800), "red"), format="JPEG", exif=exif)
    assert decode(Image.parse(thumbnail(large, 64))).size == (32, 64)
    assert min(decode(large, 64).size) in range(64, 200)  # decoded at a fraction of its size
    for name in ("b.PNG", "sub/a.jpg", ".hidden/c.png", "notes.txt", ".d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list(pictures_in(tmp_path)) == ["b.PNG", "sub/a.jpg"]
    with pytest.raises(InputError, match="no such folder"):
        list(pictures_in(tmp_path / "none"))


def test_pictures_of_more_than_eight_bits_are_not_all_white():
    grey = np.linspace(0, 1, 12).reshape(3, 4)
    for values in ((grey * 65535).astype(np.uint16), (grey * 255).astype(np.int32), (grey * 1e9).astype(np.int32)):
        shown = np.asarray(decode(png(Pillow.fromarray(values), format="TIFF")))
        assert abs(shown[..., 0] - grey * 255).max() <= 1
    fractions = np.where(grey > 0.9, np.nan, grey).astype(np.float32)
    shown = np.asarray(decode(png(Pillow.fromarray(fractions), format="TIFF")))[..., 1]
    assert shown.max() == round(fractions[~np.isnan(fractions)].max() * 255)
    assert shown[-1, -1] == 0
