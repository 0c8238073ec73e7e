"""Figures that tests have measured, printed as each test ends; from the workers of pytest-xdist too, whose own output
nobody sees. A test calls its fixture `figure` with a line of text; --junitxml keeps it as the property "figure".
"""

from collections.abc import Callable, Iterator

import pytest

_PROPERTY = "figure"


def configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Printer(config), "oz-figures")


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    return lambda text: record_property(_PROPERTY, text)


class _Printer:
    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        yield
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.when == "call" and terminal:
            for name, text in report.user_properties:
                if name == _PROPERTY:
                    terminal.ensure_newline()
                    terminal.write_line(f"  {report.nodeid.rpartition('::')[2]}: {text}")
