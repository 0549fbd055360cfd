"""A notebook that fails as a test is kept, with the outputs of that run, in `build/failed/`."""

from pathlib import Path

import nbformat
import pytest

FAILED = Path(__file__).resolve().parents[1] / "build" / "failed"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Take over the outputs of each cell; write the notebook from the first that failed on."""
    report, file = (yield), FAILED / item.path.name
    if call.when == "setup" and item.cell_num == 0:
        file.unlink(missing_ok=True)
    elif call.when == "call":
        item.cell.outputs = item.test_outputs or []
        if report.failed:
            item.parent.has_failed = True
            report.sections.append(("the notebook with its outputs", str(file)))
    elif call.when == "teardown" and hasattr(item.parent, "has_failed"):
        FAILED.mkdir(parents=True, exist_ok=True)
        nbformat.write(item.parent.nb, file)
    return report
