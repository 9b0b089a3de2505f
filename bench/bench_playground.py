"""The playground's page in headless Chromium: first paint, frame times with four lanes, and what a slider's move takes.

    pip install playwright
    python bench/bench_playground.py [--chromium /usr/bin/chromium] [--out bench/results/playground.json]

Serves the bundled collection with `anyrank play demo` in a process of its own. Measured are: the first contentful paint
and the first ranking on loopback, over several loads; frames (requestAnimationFrame to requestAnimationFrame) while the
pointer moves over four lanes of 1,000 documents each, and while these are scrolled; and the time from a slider's input
to the rows that it gives, and how many pipelines were run meanwhile. Frames stand beside the processor time of the
page's process, since wall time is that of a machine with other work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FRAMES = """() => { window.frames_ = []; let last = performance.now();
  const tick = (now) => { window.frames_.push(now - last); last = now;
    if (window.frames_.on !== false) requestAnimationFrame(tick); };
  requestAnimationFrame(tick); }"""

IDLE = "() => document.querySelector('.compare').ariaBusy === 'false' && TRUE"


def summary(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum, in milliseconds."""
    ordered = sorted(values)
    at95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {
        "n": len(ordered),
        "p50": round(statistics.median(ordered), 1),
        "p95": round(at95, 1),
        "max": round(ordered[-1], 1),
    }


def renderer_seconds() -> float:
    """The processor time of the browser's renderers that this process started."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        if b"--type=renderer" in command:
            used[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def mine(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return sum(seconds for process, seconds in used.items() if mine(process))


def frames(page: Any, act: Any) -> dict[str, float]:
    """The frame times while something is done."""
    page.evaluate(FRAMES)
    start = renderer_seconds()
    act()
    spent = renderer_seconds() - start
    values = page.evaluate("() => { const all = window.frames_; window.frames_.on = false; return [...all].slice(2); }")
    return {**summary(values), "cpu_ms_a_frame": round(1000 * spent / max(len(values), 1), 1)}


def loads(browser: Any, url: str, times: int) -> dict[str, Any]:
    paints, ranked = [], []
    for _ in range(times):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        page.goto(url)
        page.wait_for_selector(".lane .row")
        ranked.append(1000 * (time.perf_counter() - start))
        paints.append(page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        page.close()
    return {"first_contentful_paint_ms": summary(paints), "first_ranking_ms": summary(ranked)}


def four_lanes(browser: Any, url: str) -> dict[str, Any]:
    """Frames with four lanes of 1,000 documents."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    page.get_by_role("button", name="Pasted").click()
    page.get_by_role("button", name="JSON").click()
    topics = ("wing", "lift", "flow", "heat", "plate")
    documents = [
        {"id": f"d{n}", "text": f"{topics[n % 5]} {topics[n % 3]} " * (n % 11 + 1) + str(n)} for n in range(1000)
    ]
    page.get_by_label("documents as JSON").fill(json.dumps(documents))
    page.get_by_role("textbox", name="Query").fill("wing lift")
    for letter, text in zip("AB", ("tiny", "0.5 * prior + tiny")):
        page.get_by_label(f"pipeline {letter}", exact=True).fill(text)
    for letter, text in zip("CD", ("0.1 * prior + tiny", "prior")):
        page.get_by_role("button", name="Add a pipeline").click()
        page.get_by_label(f"pipeline {letter}", exact=True).fill(text)
    for _ in range(4):
        page.wait_for_function(
            IDLE.replace("TRUE", "document.querySelectorAll('.lane .row').length >= 40"),
            timeout=120_000,
        )
        if more := page.get_by_role("button", name="Show more of each").all():
            more[0].click()
            page.wait_for_timeout(600)
    page.wait_for_function(
        IDLE.replace("TRUE", "document.querySelectorAll('.row[aria-setsize=\"1000\"]').length > 60"),
        timeout=120_000,
    )
    page.evaluate("() => window.scrollTo(0, 30000)")
    page.wait_for_timeout(500)
    lane = page.locator(".lane").nth(1).bounding_box()

    def hover() -> None:
        for n in range(120):
            page.mouse.move(lane["x"] + 40 + 200 * (n % 2), 80 + (n * 37) % 760)

    def scroll() -> None:
        for _ in range(60):
            page.mouse.wheel(0, 150)
            page.wait_for_timeout(16)

    out = {"rows_in_the_page": page.locator(".row").count(), "still": frames(page, lambda: page.wait_for_timeout(1000))}
    out |= {"hover": frames(page, hover), "scroll": frames(page, scroll)}
    page.close()
    return out


def sliders(browser: Any, url: str) -> dict[str, Any]:
    """The time of a move: from the key to the answer's rows."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(url)
    page.get_by_label("pipeline A", exact=True).fill("bm25 % 100 >> 0.5 * prior + mini")
    page.get_by_label("pipeline B", exact=True).fill("bm25")
    page.get_by_label("weight of prior in pipeline A").wait_for(timeout=120_000)
    page.wait_for_function(IDLE.replace("TRUE", "true"), timeout=120_000)
    slider, moves = page.get_by_label("weight of prior in pipeline A"), []
    answers: list[Any] = []
    runs: list[str] = []
    page.on("response", lambda r: answers.append(r) if r.url.endswith("/play/slide") else None)
    page.on("request", lambda r: runs.append(r.url) if r.url.endswith("/play/run") else None)
    slider.focus()
    for n in range(25):
        answers.clear()
        start = time.perf_counter()
        page.keyboard.press("ArrowRight" if n % 8 < 4 else "ArrowLeft")
        # the first touch scores what the slider reaches: that answer isn't the move's
        while all("fill" in r.request.post_data_json for r in answers):
            page.wait_for_timeout(2)
        if n:
            moves.append(1000 * (time.perf_counter() - start))
        page.wait_for_timeout(120)
    page.close()
    return {"move_to_answer_ms": summary(moves), "pipelines_run_meanwhile": len(runs)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "playground.json")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "anyrank", "play", "demo", "--no-open", "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "http://" in line)
        url = re.findall(r"http://[\d.:]+/", line)[0]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
            browser.new_page().goto(url)  # opens the models
            out = {"machine": platform.machine(), "chromium": browser.version}
            out |= loads(browser, url, 5) | {
                "four_lanes_of_1000": four_lanes(browser, url),
                "sliders": sliders(browser, url),
            }
            browser.close()
    finally:
        server.terminate()
        server.wait()
    options.out.write_text(json.dumps(out, indent=1) + "\n")
    print(json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
