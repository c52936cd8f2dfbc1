import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hardest_metrics.detectors.image_files import (
    ImageFile,
    ImageNotFoundError,
    coco_images,
    find_image,
    folder_images,
    image_size,
    load_image,
)


def save(path: Path, size: tuple[int, int] = (6, 4), mode: str = "RGB", **options: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, size).save(path, **options)  # type: ignore[arg-type]
    return path


def listed(path: Path, size: tuple[int, int] | None = None) -> ImageFile:
    return ImageFile(7, path.name, path, size)


def test_images_of_a_folder_are_numbered_by_name(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "deep/c.png", ".hidden.png", ".git/d.png"):
        save(tmp_path / name)
    (tmp_path / "labels.txt").write_text("")
    images = folder_images(tmp_path)
    assert [(image.image_id, image.name) for image in images] == [(1, "a.jpg"), (2, "b.PNG"), (3, "deep/c.png")]


def test_a_coco_file_gives_ids_order_and_sizes_and_needs_no_labels(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png")
    save(tmp_path / "images" / "b.png")
    entries = [{"id": 9, "file_name": "val/b.png", "height": 4, "width": 6}, {"id": 3, "file_name": "a.png"}]
    (tmp_path / "info.json").write_text(json.dumps({"images": entries}))
    images = coco_images(tmp_path / "info.json", tmp_path / "images")
    assert [(image.image_id, image.name, image.path.name, image.size) for image in images] == [
        (9, "val/b.png", "b.png", (4, 6)),
        (3, "a.png", "a.png", None),
    ]


def test_ids_and_names_are_those_of_the_file_whatever_they_are(tmp_path: Path) -> None:
    """Results carry the ids on: what is text in the annotations is text there."""
    save(tmp_path / "a.png")
    save(tmp_path / "b.JPG")
    entries = [{"id": "x", "file_name": "val\\a.png"}, {"id": 3.0, "file_name": "b"}]
    (tmp_path / "info.json").write_text(json.dumps({"images": entries}))
    images = coco_images(tmp_path / "info.json", tmp_path)
    assert [(image.image_id, image.path.name) for image in images] == [("x", "a.png"), (3, "b.JPG")]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "info.json").write_text('{"images": [{"id": 3, "file_name": "a.png"}]}')
    (tmp_path / "empty.json").write_text('{"images": []}')
    with pytest.raises(ValueError, match=r"a\.png: no such file, but image 3 has this name"):
        coco_images(tmp_path / "info.json", tmp_path)
    with pytest.raises(ValueError, match=r"empty\.json: lists no images"):
        coco_images(tmp_path / "empty.json", tmp_path)
    with pytest.raises(ValueError, match="holds no images"):
        folder_images(tmp_path)
    with pytest.raises(OSError, match="nowhere: no such folder, but `images`"):
        folder_images(tmp_path / "nowhere")
    with pytest.raises(OSError, match="nowhere: no such folder, but `images`"):
        coco_images(tmp_path / "info.json", tmp_path / "nowhere")


def test_nothing_outside_the_folder_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    save(tmp_path / "outside" / "secret.png")
    save(folder / "a.png")
    assert find_image(folder, "/data/coco/a.png", 1) == folder / "a.png", "by the last part of its name"
    assert find_image(folder, "../../a.png", 1) == folder / "a.png"
    (tmp_path / "linked").symlink_to(folder)
    assert find_image(tmp_path / "linked", "a.png", 1).is_file(), "the folder itself may be a link"
    for name in (str(tmp_path / "outside" / "secret.png"), "../outside/secret.png", "b/../../outside/secret.png"):
        with pytest.raises(ImageNotFoundError, match=r"but image 1 has this name.*Let `images` name"):
            find_image(folder, name, 1)
    (folder / "d.png").symlink_to(tmp_path / "outside" / "secret.png")
    for name in ("../outside/secret", str(tmp_path / "outside" / "secret"), "d", "d" * 253, "", "/", ".."):
        with pytest.raises(ImageNotFoundError, match=r"but image 1 has this name"):
            find_image(folder, name, 1)
    (folder / "d.png").unlink()
    assert [image.name for image in folder_images(folder)] == ["a.png"]
    (folder / "inside").symlink_to(folder)  # the same images once more
    (folder / "b.png").symlink_to(folder / "a.png")
    assert [image.name for image in folder_images(folder)] == ["a.png", "b.png"]
    (folder / "c.png").symlink_to(tmp_path / "outside" / "secret.png")
    with pytest.raises(ValueError, match=r"c\.png: is a link that leads out of the folder"):
        folder_images(folder)
    (folder / "c.png").unlink()
    (folder / "c").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="c: is a link that leads out of the folder"):
        folder_images(folder)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK"])
def test_pictures_of_all_kinds_become_rgb(tmp_path: Path, mode: str) -> None:
    pixels = load_image(listed(save(tmp_path / "a.tif", mode=mode)))
    assert (pixels.shape, pixels.dtype) == ((3, 4, 6), torch.uint8)


def test_pixels_are_those_of_the_file(tmp_path: Path) -> None:
    expected = torch.randint(256, (4, 6, 3), dtype=torch.uint8)
    Image.fromarray(expected.numpy()).save(tmp_path / "a.png")
    assert torch.equal(load_image(listed(tmp_path / "a.png")), expected.permute(2, 0, 1))


@pytest.mark.parametrize(("size", "shape"), [(None, (4, 6)), ((4, 6), (4, 6)), ((6, 4), (6, 4))])
def test_a_picture_is_turned_only_where_its_annotations_are(
    tmp_path: Path, size: tuple[int, int] | None, shape: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert load_image(listed(save(tmp_path / "a.jpg", exif=exif), size)).shape[1:] == shape


def test_pictures_that_would_mislead_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: is 6 x 4 pixels .* image 7 say 4 x 6"):
        load_image(listed(path, (6, 4)))
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(path)
    with pytest.raises(ValueError, match=r"a\.png: has more than 8 bits a channel"):
        load_image(listed(path))
    path.write_bytes(save(tmp_path / "b.png", (60, 60)).read_bytes()[:60])
    with pytest.raises(ValueError, match=r"a\.png: not a picture that can be read"):
        load_image(listed(path))


def test_the_size_of_a_picture_is_that_of_its_pixels(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.bmp"):
        path = save(tmp_path / name, (6, 4))
        assert image_size(path) == tuple(load_image(listed(path)).shape[1:]) == (4, 6)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png: not a picture that can be read"):
        image_size(tmp_path / "a.png")
