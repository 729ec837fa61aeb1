"""Prints 'PASSED FAILED SKIPPED' of a JUnit report, for tests/run."""

import sys
import xml.etree.ElementTree as tree


def counts(path):
    total = failed = skipped = 0
    for suite in tree.parse(path).getroot().iter("testsuite"):
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return max(0, total - failed - skipped), failed, skipped


if __name__ == "__main__":
    try:
        print(*counts(sys.argv[1]))
    except (OSError, tree.ParseError) as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
