"""Ask the vulnerability database about every locked version: `python scripts/audit.py`.

Exit status 1 when a version is known to be vulnerable. Where the database cannot be reached the audit did not happen;
the script says so and does not fail: a build must not depend on an external server.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

LOCKS = ("serve", "dev", "import")
ACCEPTED: dict[str, str] = {}
"""Id of a vulnerability -> why it does not concern us. Never without a reason."""
WITHIN_S = 120


@dataclass
class Verdict:
    """What is known of one lock."""

    asked: int = 0
    unanswered: int = 0
    vulnerable: list[str] = field(default_factory=list)
    trouble: str = ""

    @property
    def was_audited(self) -> bool:
        return self.asked > self.unanswered


def main() -> int:
    root = Path(__file__).parent.parent
    found = False
    for name in LOCKS:
        verdict = audit(root / f"requirements/{name}.txt")
        print(f"requirements/{name}.txt: {describe(verdict)}")
        found = found or bool(verdict.vulnerable)
    return int(found)


def audit(lock: Path) -> Verdict:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        return Verdict(trouble=f"no answer within {WITHIN_S} s")
    return read_verdict(done.stdout, done.stderr)


def read_verdict(report: str, complaint: str) -> Verdict:
    """Read what pip-audit says; a report that is none means that the database could not be asked."""
    try:
        entries = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = complaint.strip().splitlines()
        return Verdict(trouble=lines[-1] if lines else "pip-audit said nothing")
    verdict = Verdict(asked=len(entries), unanswered=sum("skip_reason" in one for one in entries))
    for one in entries:
        for known in one.get("vulns", ()):
            if known["id"] not in ACCEPTED:
                mended = ", ".join(known["fix_versions"]) or "no release yet"
                verdict.vulnerable.append(f"{one['name']} {one['version']}: {known['id']} (mended in: {mended})")
    return verdict


def describe(verdict: Verdict) -> str:
    if verdict.vulnerable:
        return "\n  ".join([f"{len(verdict.vulnerable)} known vulnerabilities", *verdict.vulnerable])
    if not verdict.was_audited:
        why = verdict.trouble or "it knows none of these packages"
        return f"NOT AUDITED, the vulnerability database cannot be reached from here ({why})"
    known = verdict.asked - verdict.unanswered
    rest = f"; {verdict.unanswered} are not in the database" if verdict.unanswered else ""
    return f"no known vulnerability in {known} versions{rest}"


if __name__ == "__main__":
    sys.exit(main())
