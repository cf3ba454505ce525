// The equity curve with its drawdown below, drawn by uPlot from the page's own JSON. Days stand at midnight UTC, so
// that a day is the same day wherever it is looked at.
"use strict";

(() => {
  const HEIGHTS = { equity: 200, drawdown: 100 };
  const DAY = 86400;
  let plots = [];
  let drawn = "";
  let asking = false;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });

  function options(box, name, label, stroke, fill) {
    const axis = { stroke: color("--quiet"), grid: { stroke: color("--edge"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    return {
      width: box.clientWidth,
      height: HEIGHTS[name],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
      cursor: { sync: { key: "equity" }, drag: { x: false, y: false } },
      padding: [10, 24, name === "equity" ? 8 : 0, 0],  // the lowest figure stands half below its line
      scales: { x: { time: true } },
      series: [
        { label: "Day", value: "{YYYY}-{MM}-{DD}" },
        { label, stroke, fill, width: 1.6, points: { show: false }, value: (plot, value) => (value === null ? "–" : name === "equity" ? dollars.format(value) : `${value.toFixed(2)} %`) },
      ],
      axes: [
        {
          ...axis,
          show: name === "drawdown",
          size: 30,
          incrs: [1, 2, 7, 14, 30, 61, 91, 182, 365, 730].map((days) => days * DAY),
          values: (plot, values, place, space, step) => values.map((at) => uPlot.fmtDate(step < 30 * DAY ? "{D} {MMM}" : "{MMM} {YYYY}")(new Date((at + DAY / 2) * 1000))),
        },
        { ...axis, size: 66, values: (plot, values) => values.map((value) => (name === "equity" ? dollars.format(value) : `${value} %`)) },
      ],
    };
  }

  function draw(box, days) {
    for (const plot of plots) plot.destroy();
    const at = days.map((each) => Date.parse(each.day) / 1000);
    const equity = days.map((each) => Number(each.equity));
    const below = days.map((each) => -100 * Number(each.drawdown_share));
    plots = [
      new uPlot(options(box, "equity", "Equity", color("--info")), [at, equity], box),
      new uPlot(options(box, "drawdown", "Below the highest", color("--loss"), color("--track")), [at, below], box),
    ];
  }

  async function refresh(again) {
    const box = document.getElementById("equity");
    if (!box || asking) return;
    asking = true;
    try {
      const answer = await fetch(`/api/v1/performance${location.search}`, { cache: "no-store" });
      if (answer.ok) {
        const { equity } = await answer.json();
        const text = JSON.stringify(equity);
        if (again || text !== drawn || !box.firstElementChild) draw(box, equity);
        drawn = text;
      }
    } catch {
      // panel.js tells that the panel does not answer, and asks again.
    }
    asking = false;
  }

  document.addEventListener("atlas:refreshed", () => refresh(false));
  matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => refresh(true));
  addEventListener("resize", () => {
    const box = document.getElementById("equity");
    if (box) for (const [place, name] of Object.keys(HEIGHTS).entries()) plots[place]?.setSize({ width: box.clientWidth, height: HEIGHTS[name] });
  });
  refresh(false);
})();
