// Live updates: asks for a version as often as the page says, while it is seen, and swaps the live
// part when it changed. Everything works without this script, by reloading the page.
"use strict";

(() => {
  const SLOW = 30000;
  const part = () => document.getElementById("live");
  const every = () => Math.max(Number(part()?.dataset.every) || 0, 1000);
  let wait = every();
  let timer = 0;

  const mark = (text, state) => {
    const element = document.getElementById("live-mark");
    if (element) {
      element.textContent = text;
      element.dataset.state = state;
    }
  };
  const say = (text) => {
    const element = document.getElementById("announce");
    if (element && element.textContent !== text) element.textContent = text;
  };

  const swap = (html) => {
    const next = new DOMParser().parseFromString(html, "text/html").getElementById("live");
    const now = part();
    if (!next || !now) return;
    // What somebody writes is not taken away from under their hands.
    if ([...now.querySelectorAll("input:not([type=hidden])")].some((field) => field.value)) return;
    // What the reader opened or closed stays so, and so does the place of the keyboard.
    const seen = new Map();
    now.querySelectorAll("details[id]").forEach((d) => {
      if (d.dataset.touched) seen.set(d.id, d.open);
    });
    next.querySelectorAll("details[id]").forEach((d) => {
      if (seen.has(d.id)) {
        d.open = seen.get(d.id);
        d.dataset.touched = "yes";
      }
    });
    const focused = document.activeElement && now.contains(document.activeElement) && document.activeElement.id;
    now.replaceWith(next);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    say(next.dataset.say || "");
  };

  // An answer that never comes is none: the next question is asked all the same.
  const get = (address) => fetch(address, { cache: "no-store", signal: AbortSignal.timeout(10000) });

  const ask = async () => {
    const live = part();
    if (!live || !live.dataset.poll) return;
    try {
      const answer = await get(live.dataset.poll);
      // Signed out: the page says where to sign in.
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      const { version } = await answer.json();
      if (version !== live.dataset.version) {
        const page = await get(location.href);
        if (!page.ok) throw new Error(String(page.status));
        swap(await page.text());
      }
      wait = every();
      if (part()?.dataset.poll) mark("live", "on");
    } catch {
      wait = Math.min(wait * 2, SLOW);
      mark("no connection, trying again", "lost");
    }
    plan();
  };

  const plan = () => {
    clearTimeout(timer);
    if (part()?.dataset.poll && !document.hidden) timer = setTimeout(ask, wait);
  };

  document.addEventListener("click", (event) => {
    const details = event.target.closest?.("summary")?.parentElement;
    if (details) details.dataset.touched = "yes";
  });
  // A link into a stage opens it.
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target) (target.closest("details") ?? target.querySelector(":scope > details"))?.setAttribute("open", "");
  };
  addEventListener("hashchange", open);
  document.addEventListener("visibilitychange", plan);
  open();
  if (part()?.dataset.poll) mark("live", "on");
  plan();
})();
