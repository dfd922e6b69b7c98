"""The report as a page of its own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from tests.support.synthetic import Synthetic, World, plan_of, shadow_plan

from splitleaf.flows.judge_experiment import judge_experiment
from splitleaf.web.report import numbers, render_report
from splitleaf.web.report.chart import Axis, Chart

SIDE_BY_SIDE = World(
    accuracy={"v1": 0.86, "v2": 0.94},
    labels_disagreements=True,
    audit=0.3,
    response={True: 0.2, False: 0.6},
    error_rate={"v1": 0.05, "v2": 0.01},
)


def page(experiment: Synthetic) -> str:
    return render_report(judge_experiment(experiment.store, experiment.plan.key, experiment.clock))


def full_page() -> str:
    plan = plan_of(
        shadows=[{"version": "v1"}, {"version": "v2"}],
        primary={"metric": "accuracy", "direction": "increase", "margin": 0.01},
        guardrails=[{"metric": "slow_rate"}],
        ramp=[{"share": 20}, {"share": 50}],
    )
    return page(Synthetic(plan, SIDE_BY_SIDE).run(900).ramp(1).run(1600))


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    made = full_page()
    assert not re.findall(r"<script|<link|<img|<iframe|\bsrc=|\bhref=|url\(|@import|https?:", made)
    assert "prefers-color-scheme: dark" in made


def test_every_part_of_the_report_is_drawn_and_every_drawing_is_well_formed() -> None:
    made = full_page()
    drawings = re.findall(r"<svg.*?</svg>", made, re.DOTALL)
    titles = [ET.fromstring(one).attrib["aria-label"] for one in drawings]
    for wanted in (
        "Difference of candidate over time",
        "Evidence on candidate",
        "images by arm and time",
        "Accuracy and latency",
        "Latency, total",
        "Latency, queue",
        "Latency, inference",
        "Difference in recall",
        "Accuracy over confidence",
    ):
        assert any(wanted in title for title in titles), wanted
    for wanted in ("Health", "Metrics", "Guardrails", "Segments", "Traffic drift", "History"):
        assert f"<h2>{wanted}</h2>" in made


def test_what_people_wrote_is_shown_and_never_obeyed() -> None:
    plan = shadow_plan(hypothesis="<script>alert(1)</script> & more")
    made = page(Synthetic(plan, World()).run(50))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in made
    assert "<script" not in made


def test_an_experiment_without_outcomes_has_a_page_too() -> None:
    made = page(Synthetic(plan_of()))
    assert "There is not enough data yet to compare v2 with v1." in made
    assert "Nothing has been measured yet." in made


def test_commands_stand_out_from_the_words_around_them() -> None:
    invalid = page(Synthetic(plan_of(), World(lost={"candidate": 0.6})).run(900))
    assert "<code>splitleaf experiments pause v2-against-v1</code>" in invalid


def test_ticks_are_round_and_within_the_axis() -> None:
    for low, high in ((0, 1), (-0.0312, 0.0711), (3, 812), (1.7e12, 1.7e12 + 5e6)):
        ticks = Axis(low, high, str).ticks()
        assert 2 <= len(ticks) <= 11
        assert all(low <= one <= high for one in ticks)


def test_a_level_outside_of_the_axis_is_not_drawn() -> None:
    chart = Chart("t", Axis(0, 1, str), Axis(0, 1, str))
    chart.level(2, "margin", "far away")
    assert "far away" not in chart.svg()


def test_numbers_have_as_many_digits_as_they_deserve() -> None:
    assert [numbers.amount(one, "share") for one in (0.00512, 0.1234, 1.0)] == ["0.51", "12.3", "100.0"]
    assert numbers.amount(-0.012, "share", signed=True) == "-1.20"
    assert numbers.amount(1234.5, "ms") == "1234"
    assert [numbers.evidence(one) for one in (-0.5, 0.0, 1.92, 4.9, 7.4, None)] == [
        "0.32",
        "1",
        "83",
        "79,433",
        ">10^5",
        "",
    ]
