"""Take the picture of the explorer that README shows: ``python -m page_picture PAGE PICTURE``."""

import sys
from pathlib import Path

from page_support import Reader, chromium

CASE = "explorer?network=alexnet_fc&stage=huffman&batch=1"


def take(folder: Path, picture: Path) -> None:
    """Photograph the first screen of the explorer."""
    with chromium() as browser:
        reader = Reader(browser, folder)
        reader.look()
        reader.open(CASE)
        reader.tab.screenshot(path=picture)


if __name__ == "__main__":
    take(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
