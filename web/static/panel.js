// Keeps the page current: asks for its content anew at each change the stream tells of, or every few seconds without
// one. The server alone writes HTML; here it is only put in place. A hidden tab asks for nothing.
//
// To scripts of single pages: `atlas:refreshed` on document after new content is in place. Where the first element of
// <main> carries data-own-refresh (charts), nothing is replaced and `atlas:changed` asks the page's script to act.
// An element with data-keep is left as the page's script made it. `atlas.times(root)` writes times in the viewer's zone.
"use strict";

const POLL = 5000;
const STREAM_AGAIN = 60000;

const content = document.getElementById("content");
const link = document.getElementById("link");
const trouble = document.getElementById("trouble");

let stream = null;
let live = false;
let asking = false;
let askAgain = false;
let pollTimer = null;
let streamTimer = null;

function localTimes(root) {
  const today = new Date().toDateString();
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const clock = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const day = at.toLocaleDateString([], { day: "numeric", month: "short" });
    element.textContent = at.toDateString() === today ? clock : `${day} ${clock}`;
  }
}

function show(state) {
  link.dataset.state = state;
  link.textContent = { live: "live", poll: "every 5 s", lost: "no answer", wait: "connecting" }[state];
}

function nameOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || null : null;
}

// Makes `old` like `fresh` and leaves what is the same in place, so that focus, scrolling and open details stay.
function morph(old, fresh) {
  if (old.dataset?.keep !== undefined) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  const opened = old.tagName === "DETAILS";
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(opened && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value && !(opened && name === "open")) old.setAttribute(name, value);
  }
  morphChildren(old, fresh);
}

function morphChildren(old, fresh) {
  const named = new Map([...old.children].filter(nameOf).map((child) => [nameOf(child), child]));
  let here = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const name = nameOf(child);
    const same = name ? named.get(name) : here && !nameOf(here) ? here : null;
    if (same && same.nodeName === child.nodeName) {
      if (same === here) here = here.nextSibling; else old.insertBefore(same, here);
      morph(same, child);
    } else {
      old.insertBefore(child, here);
    }
  }
  while (here) { const next = here.nextSibling; here.remove(); here = next; }
}

function put(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  localTimes(template.content);
  morphChildren(content, template.content);
  document.dispatchEvent(new CustomEvent("atlas:refreshed"));
}

async function refresh() {
  if (document.hidden) return;
  if (asking) { askAgain = true; return; }
  asking = true;
  try {
    const answer = await fetch(content.dataset.content, { cache: "no-store" });
    if (answer.ok) {
      put(await answer.text());
      well();
    } else if (answer.status === 401) {
      location.reload();
    } else {
      const said = await answer.json().catch(() => ({}));
      fail(said.error || `The panel answered ${answer.status}.`);
    }
  } catch {
    fail("The panel does not answer; it is asked again every few seconds.");
  }
  asking = false;
  if (askAgain) { askAgain = false; refresh(); }
}

function changed() {
  if (content.firstElementChild?.dataset.ownRefresh === undefined) refresh();
  else if (!document.hidden) document.dispatchEvent(new CustomEvent("atlas:changed"));
}

function well() {
  content.classList.remove("stale");
  trouble.hidden = true;
  show(live ? "live" : "poll");
}

function fail(reason) {
  trouble.textContent = reason;
  trouble.hidden = false;
  content.classList.add("stale");
  show("lost");
}

function listen() {
  stream = new EventSource(content.dataset.stream);
  stream.addEventListener("open", () => { live = true; show("live"); });
  stream.addEventListener("changed", changed);
  stream.addEventListener("error", () => {
    live = false;
    // CLOSED: refused, e.g. all places are taken; the browser does not try again by itself.
    if (stream.readyState === EventSource.CLOSED) streamTimer = setTimeout(listen, STREAM_AGAIN);
    changed();
  });
}

function wake() {
  show("wait");
  changed();
  listen();
  pollTimer = setInterval(() => { if (!live || !trouble.hidden) changed(); }, POLL);
}

function rest() {
  if (stream) stream.close();
  live = false;
  clearInterval(pollTimer);
  clearTimeout(streamTimer);
}

function menu() {
  const more = document.querySelector(".menu .more > button");
  if (!more) return;
  const open = (yes) => more.setAttribute("aria-expanded", String(yes));
  more.addEventListener("click", () => open(more.getAttribute("aria-expanded") !== "true"));
  document.addEventListener("click", (event) => { if (!more.parentElement.contains(event.target)) open(false); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || more.getAttribute("aria-expanded") !== "true") return;
    open(false);
    more.focus();
  });
}

window.atlas = { times: localTimes, well, fail };
document.addEventListener("visibilitychange", () => { rest(); if (!document.hidden) wake(); });

localTimes(document);
menu();
// After the page's own script, which hears the first `atlas:changed`.
window.addEventListener("DOMContentLoaded", () => { if (!document.hidden) wake(); });
