"use strict";
/* The page: which screen is shown, in which language, and the address that says so. */

const SCREENS = { today: screenToday, changes: screenChanges, item: screenItem, service: screenService, accuracy: screenAccuracy, data: screenData };
const NAMES = { s: "screen", i: "item", q: "query", f: "filter", o: "sort", d: "down", t: "target", lang: "lang" };
const OLD = 36; // hours after which a run is marked as old

class Page {
  constructor(source, texts, summary) {
    Object.assign(this, { source, texts, summary, state: {}, drawing: 0 });
  }

  now() {
    return Date.now();
  }

  isOld() {
    return !this.summary.generated_at || this.now() - Date.parse(this.summary.generated_at) > OLD * 3600000;
  }

  /** The state out of the address. */
  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    this.state = {};
    for (const [short, name] of Object.entries(NAMES)) if (given.has(short)) this.state[name] = given.get(short);
    this.state.down = this.state.down === "1";
    if (!(this.state.screen in SCREENS)) this.state.screen = "today";
    if (!(this.state.lang in this.texts)) this.state.lang = document.documentElement.dataset.lang ?? "pt";
  }

  /** The address of a state. */
  address(state) {
    const parts = new URLSearchParams();
    for (const [short, name] of Object.entries(NAMES)) {
      const value = name === "down" ? (state.down ? "1" : "") : state[name];
      if (value !== undefined && value !== null && value !== "") parts.set(short, value);
    }
    return `#${parts}`;
  }

  /** Keep the state in the address, without a step in the history of the browser. */
  remember() {
    history.replaceState(null, "", this.address(this.state));
  }

  go(change) {
    location.hash = this.address({ lang: this.state.lang, ...change });
  }

  itemLink(place, id) {
    return el("a", { href: this.address({ screen: "item", item: id, lang: this.state.lang }) }, idText(id));
  }

  async show(moved = false) {
    this.read();
    speak(this.state.lang, this.texts);
    const number = ++this.drawing;
    document.title = `Previsor – ${say(`screen.${this.state.screen}`)}`;
    document.getElementById("top").replaceChildren(...this.head());
    const main = document.getElementById("main");
    let parts;
    try {
      parts = await SCREENS[this.state.screen](this);
    } catch (error) {
      parts = [el("p", { class: "banner warn", role: "alert" }, `${say("failed")} ${error.message}`)];
    }
    if (number !== this.drawing) return; // another screen was asked for meanwhile
    main.replaceChildren(...parts.flat().filter(Boolean));
    document.getElementById("foot").replaceChildren(el("p", {}, say(this.summary.synthetic ? "foot.synthetic" : "foot.real", { version: this.summary.version_id })));
    document.body.dataset.ready = this.state.screen;
    performance.mark("shown");
    if (moved) {
      main.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }

  head() {
    const link = (name) => el("a", { href: this.address({ screen: name, lang: this.state.lang, item: name === "item" ? this.state.item : null }),
      "aria-current": name === this.state.screen ? "page" : null }, say(`screen.${name}`));
    const tongue = (lang) => el("button", { type: "button", class: "chip", lang: LANGUAGES[lang], "data-lang": lang, "aria-pressed": String(lang === this.state.lang),
      onclick: () => { this.state.lang = lang; this.remember(); this.show(); } }, say(`lang.${lang}`));
    return [
      el("div", { class: "brand" }, el("h1", {}, "Previsor"), el("p", {}, say("head.version", { day: lastDay(this.summary) })),
        this.summary.synthetic ? el("strong", { class: "tag made-up" }, say("head.synthetic")) : null),
      el("nav", { "aria-label": say("nav") }, Object.keys(SCREENS).map(link)),
      el("div", { class: "chips", role: "group", "aria-label": say("lang.group") }, Object.keys(this.texts).map(tongue)),
    ];
  }
}

/** Start the page on a source of data. */
async function start(source) {
  const page = new Page(source, await source.texts(), await source.summary());
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  addEventListener("hashchange", () => page.show(true));
  await page.show();
  return page;
}
