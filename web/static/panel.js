// Keeps the page current: asks for its content anew at each change the stream tells of, or every few seconds without
// one. The server alone writes HTML; here it is only put in place. A hidden tab asks for nothing.
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

async function refresh() {
  if (document.hidden) return;
  if (asking) { askAgain = true; return; }
  asking = true;
  try {
    const answer = await fetch(content.dataset.content, { cache: "no-store" });
    if (answer.ok) {
      content.innerHTML = await answer.text();
      localTimes(content);
      content.classList.remove("stale");
      trouble.hidden = true;
      show(live ? "live" : "poll");
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

function fail(reason) {
  trouble.textContent = reason;
  trouble.hidden = false;
  content.classList.add("stale");
  show("lost");
}

function listen() {
  stream = new EventSource(content.dataset.stream);
  stream.addEventListener("open", () => { live = true; show("live"); });
  stream.addEventListener("changed", refresh);
  stream.addEventListener("error", () => {
    live = false;
    // CLOSED: refused, e.g. all places are taken; the browser does not try again by itself.
    if (stream.readyState === EventSource.CLOSED) streamTimer = setTimeout(listen, STREAM_AGAIN);
    refresh();
  });
}

function wake() {
  show("wait");
  refresh();
  listen();
  pollTimer = setInterval(() => { if (!live || !trouble.hidden) refresh(); }, POLL);
}

function rest() {
  if (stream) stream.close();
  live = false;
  clearInterval(pollTimer);
  clearTimeout(streamTimer);
}

document.addEventListener("visibilitychange", () => { rest(); if (!document.hidden) wake(); });

localTimes(document);
if (!document.hidden) wake();
