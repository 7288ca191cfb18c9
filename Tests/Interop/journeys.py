"""What people do in the catalog, done in a real Chromium: find, narrow down, compare, go back in time, ask why, copy what loads a model.

usage: journeys.py CHROMIUM ADDRESS MODEL POSITION LAST FOLDER

POSITION is a moment of the log at which the model had its versions and could not be loaded yet, LAST the newest.

Every journey is made with scripts and without, in light and in dark; one with the keyboard alone. Each page on the way must fit a
window 320 pixels wide, which is also what 1,280 are at 400 %, and where there are scripts it is judged by axe-core. Pictures of the
pages are left in FOLDER.
Prints one JSON object: what failed, what was seen, and the snippet as it lay in the clipboard.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

# For each thing that is waited for; what fails everywhere fails in good time.
DEADLINE_MS = 10_000
NARROW = {"width": 320, "height": 640}
WIDE = {"width": 1_280, "height": 900}
# An address of nothing.
MISSING = "/models/nobody.nothing"
# What WCAG 2.1 asks at level AA, and what else axe knows to be good.
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


@dataclass
class Journeys:
    """One person's way through the catalog."""

    page: Page
    address: str
    model: str
    position: int
    last: int
    folder: Path
    name: str
    scripts: bool
    failures: list[str] = field(default_factory=list)
    pages: int = 0

    def judge(self, what: str) -> None:
        """Looks at the page as it stands: its picture, its rules, its width."""
        self.pages += 1
        self.page.screenshot(path=self.folder / f"{self.name}-{what}.png", full_page=True)
        self.page.set_viewport_size(NARROW)
        width = self.page.evaluate("document.scrollingElement.scrollWidth")
        if width > NARROW["width"]:
            self.failures.append(f"{self.name}, {what}: {width} pixels wide in a window of {NARROW['width']}")
        self.page.set_viewport_size(WIDE)
        if not self.scripts:
            return
        for violation in Axe().run(self.page, options=AXE).response["violations"]:
            nodes = "; ".join(node["html"][:200] for node in violation["nodes"][:3])
            self.failures.append(f"{self.name}, {what}: {violation['id']}: {violation['help']}: {nodes}")

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    @property
    def title(self):
        return self.page.get_by_role("heading", level=1)

    @property
    def found(self):
        return self.page.locator("#found strong")

    def asks(self, *words: str) -> None:
        """The address says what is shown."""
        for word in words:
            expect(self.page).to_have_url(re.compile(re.escape(word)))

    def find(self) -> None:
        self.open("/")
        expect(self.page).to_have_title("Models · Model Marketplace")
        everything = self.found.inner_text()
        self.judge("models")
        # A word that is wrong by a letter, as one types it.
        self.page.get_by_label("Search models").fill("readmision")
        self.page.get_by_label("Search models").press("Enter")
        self.asks("q=readmision")
        expect(self.page.locator("#found")).to_contain_text("readmision")
        expect(self.found).not_to_have_text(everything)
        self.judge("found")
        self.page.get_by_role("link", name=self.model, exact=True).click()
        expect(self.title).to_have_text(self.model)
        self.judge("model")
        # On paper there is what one came for, and nothing to press.
        self.page.emulate_media(media="print")
        expect(self.page.locator("#snippet")).to_be_visible()
        expect(self.page.get_by_role("search")).to_be_hidden()
        expect(self.page.get_by_role("button", name="Copy")).to_be_hidden()
        self.pages += 1
        self.page.screenshot(path=self.folder / f"{self.name}-print.png", full_page=True)
        self.page.emulate_media(media="screen")

    def narrow(self) -> None:
        self.open("/models")
        everything = self.found.inner_text()
        value = self.page.locator("#facet-workspace ~ ul a").first
        promised = value.locator(".number").inner_text()
        value.click()
        self.asks("workspace=")
        expect(self.found).to_have_text(re.compile(rf"^{promised} models?$"))
        expect(self.found).not_to_have_text(everything)
        self.judge("narrowed")
        self.page.get_by_role("link", name="remove this filter").click()
        expect(self.found).to_have_text(everything)
        self.page.get_by_role("navigation", name="Order").get_by_role("link", name="Newest").click()
        self.asks("order=newest")
        expect(self.found).to_have_text(everything)
        self.open("/models?q=no-such-model-anywhere")
        expect(self.page.get_by_text("Nothing fits.")).to_be_visible()
        self.judge("nothing")

    def compare(self) -> None:
        self.open(f"/models/{self.model}")
        # Otherwise than they stand there.
        self.page.get_by_label("Compare version").select_option("2")
        self.page.get_by_label("with", exact=True).select_option("1")
        self.page.get_by_role("button", name="Compare").click()
        self.asks("a=2&b=1")
        expect(self.title).to_have_text("Versions 2 and 1")
        self.judge("compared")

    def ask_why(self) -> None:
        self.open(f"/models/{self.model}")
        self.page.get_by_role("link", name="Why, or why not? Version 1").click()
        expect(self.title).to_have_text("Version 1 of the source")
        self.judge("why")
        self.page.locator("a.event").first.click()
        expect(self.title).to_have_text(re.compile("^Event dev01/"))
        self.judge("event")

    def go_back(self) -> None:
        self.open(f"/models/{self.model}")
        now = self.page.locator("main").inner_text()
        moment = self.page.get_by_label("As known at")
        moment.fill(f"{self.position}")
        moment.press("Enter")
        banner = self.page.get_by_role("complementary", name="Moment")
        expect(banner).to_contain_text(f"position {self.position} of the log")
        self.asks(f"as_of={self.position}")
        expect(self.page.locator("main")).not_to_have_text(now)
        self.judge("past")
        # The moment stays while one goes on.
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name="Workspaces").click()
        expect(self.title).to_have_text("Workspaces")
        expect(banner).to_be_visible()
        self.asks(f"as_of={self.position}")
        self.judge("workspaces")
        banner.get_by_role("link", name="Back to now").click()
        expect(banner).to_have_count(0)
        expect(self.title).to_have_text("Workspaces")
        self.open("/changes")
        self.page.get_by_label("What changed in the catalog from").fill(f"{self.position}")
        self.page.get_by_label("to", exact=True).fill(f"{self.last}")
        self.page.get_by_role("button", name="Compare").click()
        self.asks(f"from={self.position}&to={self.last}")
        expect(self.page.get_by_role("heading", name=f"From position {self.position} to {self.last}")).to_be_visible()
        expect(self.page.get_by_role("link", name=self.model).first).to_be_visible()
        self.judge("changes")
        self.open("/audit")
        expect(self.title).to_be_visible()
        self.judge("audit")
        self.open(MISSING)
        expect(self.title).to_have_text("Not Found")
        self.judge("missing")

    def copy(self) -> str:
        """The snippet: by the button where there are scripts, else as it can be selected."""
        self.open(f"/models/{self.model}")
        shown = self.page.locator("#snippet").text_content()
        button = self.page.get_by_role("button", name="Copy")
        if not self.scripts:
            expect(button).to_have_count(0)
            return shown
        button.click()
        expect(self.page.get_by_role("button", name="Copied")).to_be_visible()
        copied = self.page.evaluate("navigator.clipboard.readText()")
        assert copied == shown, (copied, shown)
        return copied

    def by_keyboard(self) -> None:
        """The whole way without a mouse: what has the focus can be seen, and is reached in the order of the page."""
        page, keyboard = self.page, self.page.keyboard
        self.open("/models")
        keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to content")
        expect(skip).to_be_focused()
        box = skip.bounding_box()
        if box is None or box["y"] < 0 or box["height"] == 0:
            self.failures.append(f"{self.name}: the link to the content cannot be seen: {box}")
        self.judge("skip")
        keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        self.open("/models")
        # Narrowed, and wide again.
        filtered = page.locator("#facet-workspace ~ ul a").first
        self.tab_to("a", filtered.text_content().strip())
        keyboard.press("Enter")
        self.asks("workspace=")
        self.tab_to("a", page.get_by_role("link", name="remove this filter").first.text_content().strip())
        keyboard.press("Enter")
        expect(page).not_to_have_url(re.compile("workspace="))
        self.tab_to("input", "q")
        keyboard.type("readmission")
        keyboard.press("Enter")
        expect(page.locator("#found")).to_contain_text("readmission")
        self.tab_to("a", self.model)
        keyboard.press("Enter")
        expect(self.title).to_have_text(self.model)
        if self.scripts:
            self.tab_to("button", "Copy")
            keyboard.press("Enter")
            expect(page.get_by_role("button", name="Copied")).to_be_visible()
        self.tab_to("select", "a")
        keyboard.press("2")
        self.tab_to("button", "Compare")
        keyboard.press("Enter")
        expect(self.title).to_have_text("Versions 2 and 2")
        self.tab_to("input", "as_of")
        keyboard.type(f"{self.position}")
        keyboard.press("Enter")
        expect(page.get_by_role("complementary", name="Moment")).to_be_visible()
        expect(self.title).to_have_text("Versions 2 and 2")
        self.judge("by-keyboard")

    def tab_to(self, tag: str, name: str) -> None:
        for _ in range(200):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate("""() => {
              const one = document.activeElement;
              if (!one || one === document.body) return null;
              const style = getComputedStyle(one), box = one.getBoundingClientRect();
              return {tag: one.localName, names: [one.id, one.textContent.trim()], outline: style.outlineStyle, width: box.width};
            }""")
            if focused is None:
                continue
            if focused["outline"] == "none" or focused["width"] == 0:
                self.failures.append(f"{self.name}: the focus cannot be seen: {focused}")
            if focused["tag"] == tag and name in focused["names"]:
                return
        raise AssertionError(f"no Tab leads to {tag} {name}")


def main(chromium: str, address: str, model: str, position: int, last: int, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    expect.set_options(timeout=DEADLINE_MS)
    failures, seen, snippets = [], 0, set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        for scheme in ("light", "dark"):
            for scripts in (True, False):
                context = browser.new_context(color_scheme=scheme, java_script_enabled=scripts, viewport=WIDE)
                context.grant_permissions(["clipboard-read", "clipboard-write"], origin=address)
                context.set_default_timeout(DEADLINE_MS)
                name = f"{scheme}-{'scripts' if scripts else 'plain'}"
                made = Journeys(context.new_page(), address, model, position, last, folder, name, scripts)
                walk(made, snippets)
                context.close()
                failures += made.failures
                seen += made.pages
        version = browser.version
        browser.close()
    if len(snippets) != 1:
        failures.append(f"the snippet is not the same everywhere: {snippets}")
    print(json.dumps({"failures": failures, "pages": seen, "chromium": version, "snippet": next(iter(snippets), "")}))


def walk(journeys: Journeys, snippets: set[str]) -> None:
    """Makes every journey; what fails keeps none of the others from being made."""
    page, name = journeys.page, journeys.name
    # Whatever a page asks for is there, and nothing that it brings is refused.
    page.on("response", lambda answer: journeys.failures.append(f"{name}: {answer.status} {answer.url}")
            if answer.status >= 400 and not answer.url.endswith(MISSING) else None)
    page.on("console", lambda said: journeys.failures.append(f"{name}: {said.text} {said.location}")
            if said.type in ("error", "warning") and not said.location.get("url", "").endswith(MISSING) else None)
    page.on("pageerror", lambda error: journeys.failures.append(f"{name}: {error}"))
    for journey in (journeys.find, journeys.narrow, journeys.compare, journeys.ask_why, journeys.go_back, journeys.by_keyboard):
        try:
            journey()
        except Exception as error:
            journeys.failures.append(f"{name}, {journey.__name__}: {error}")
    try:
        snippets.add(journeys.copy())
    except Exception as error:
        journeys.failures.append(f"{name}, copy: {error}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), Path(sys.argv[6]))
