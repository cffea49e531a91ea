"""What the whole run has to show in the end: every answer that the API's document promises."""

import pytest

from tests.openapi_recorder import recorder


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a whole run that has not seen every documented answer; a part of the tests need not."""
    is_whole = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS
    is_chosen = session.config.option.keyword or session.config.option.collectonly
    if exitstatus == pytest.ExitCode.OK and is_whole and not is_chosen and recorder().unseen:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the documented answers that no test has seen, where the run failed for them."""
    if terminalreporter.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        for answer in recorder().unseen:
            terminalreporter.write_line(f"No test has seen: {answer}", red=True)
