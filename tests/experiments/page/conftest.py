"""One small page for all tests of it, and one tab that reads it."""

import pytest
from page_support import Reader, build_small, chromium


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("page") / "site"
    build_small(target)
    return target


@pytest.fixture(scope="session")
def opened(folder):
    with chromium() as browser:
        yield Reader(browser, folder)


@pytest.fixture
def reader(opened, folder):
    """The tab, with no request to anything but the page's own files, and no error."""
    opened.look()
    opened.requests.clear()
    yield opened
    errors = list(opened.errors)
    opened.errors.clear()
    assert errors == []
    assert opened.requests
    assert [url for url in opened.requests if not url.startswith((folder.as_uri(), "data:"))] == []
