// Draws the chart of one product and timeframe. Bars come from the API once; at each change the page's new content
// brings the last of them (#news), with the setups in force and the trades.
"use strict";

(() => {
  const place = document.querySelector(".charting[data-api]");
  if (!place) return;
  const box = document.getElementById("chart");
  const legend = document.getElementById("legend");
  const { api, timeframe, tick } = place.dataset;
  const byDay = ["1d", "1w", "1M"].includes(timeframe);  // Their bars are days of UTC, whatever the viewer's zone.
  const LEGIBLE = 15;  // Pixels a bar must have for its number to be read.
  const REACH = 0.6;  // How far beyond the candles levels stretch the scale, of the candles' height.

  let bars = [];
  let setups = [];
  let trades = [];
  let lines = [];
  let numbered = true;
  let loading = false;

  const seconds = (iso) => Date.parse(iso) / 1000;
  const places = (number) => (number.split(".")[1] || "").replace(/0+$/, "").length;
  const told = () => JSON.parse(document.getElementById("news").dataset.news);
  const digits = Math.max(0, ...(tick ? [tick] : told().bars.flatMap((bar) => [bar.open, bar.close])).map(places));
  const written = (price) => Number(price).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const narrow = () => box.clientWidth < 560;

  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  function clock(time, day) {
    const at = new Date(time * 1000);
    if (day) return at.toLocaleDateString([], { day: "numeric", month: "short", timeZone: byDay ? "UTC" : undefined });
    return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  }

  const chart = LightweightCharts.createChart(box, {
    autoSize: true,
    // Its logo is an inline style, which the panel's policy does not allow; the page names and links it instead.
    layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
    timeScale: {
      barSpacing: narrow() ? 16 : 19, minBarSpacing: 2, rightOffset: narrow() ? 2 : 4, timeVisible: !byDay, secondsVisible: false,
      tickMarkFormatter: (time, kind) => clock(time, byDay || kind < LightweightCharts.TickMarkType.Time),
    },
    localization: { timeFormatter: (time) => (byDay ? clock(time, true) : `${clock(time, true)} ${clock(time)}`), priceFormatter: written },
    crosshair: { mode: LightweightCharts.CrosshairMode.Normal },
    handleScroll: { vertTouchDrag: false },  // A phone scrolls the page with it.
  });
  const candles = chart.addSeries(LightweightCharts.CandlestickSeries, {
    priceFormat: { type: "price", precision: digits, minMove: Number(tick) || 10 ** -digits },
    autoscaleInfoProvider: (original) => {
      const found = original();
      if (!found?.priceRange) return found;
      const { minValue: low, maxValue: high } = found.priceRange;
      const levels = setups.flatMap((setup) => [setup.trigger, setup.stop, setup.target]);
      for (const trade of trades) if (!trade.exit_bar) levels.push(trade.entry_price, trade.stop, trade.target);
      const reach = (high - low) * REACH;
      const near = levels.map(Number).filter((level) => level > low - reach && level < high + reach);
      found.priceRange = { minValue: Math.min(low, ...near), maxValue: Math.max(high, ...near) };
      return found;
    },
  });
  const marks = LightweightCharts.createSeriesMarkers(candles, []);

  function dress() {
    chart.applyOptions({
      layout: { background: { color: color("card") }, textColor: color("quiet") },
      grid: { vertLines: { visible: false }, horzLines: { color: color("edge") } },
      rightPriceScale: { borderColor: color("edge") },
      timeScale: { borderColor: color("edge") },
    });
    const [up, down] = [color("gain"), color("loss")];
    candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false });
    draw();
  }

  function candle(bar) {
    return { time: seconds(bar.opens), open: +bar.open, high: +bar.high, low: +bar.low, close: +bar.close };
  }

  function label(bar) {
    return (bar.failed ? "F" : "") + bar.number;
  }

  function markers() {
    const found = [];
    if (numbered) {
      for (const bar of bars) {
        if (bar.number === null) continue;
        const below = bar.number === "2D";
        found.push({
          time: seconds(bar.opens), position: below ? "belowBar" : "aboveBar", shape: "circle", size: 0,
          color: color(bar.failed ? "warn" : bar.verified ? "quiet" : "loss"), text: label(bar),
        });
      }
    }
    const first = bars.length ? bars[0].opens : "";
    for (const trade of trades) {
      const long = trade.side === "long";
      if (trade.entry_bar >= first) {
        found.push({
          time: seconds(trade.entry_bar), position: long ? "belowBar" : "aboveBar", shape: long ? "arrowUp" : "arrowDown",
          color: color("info"), text: "",
        });
      }
      if (trade.exit_bar && trade.exit_bar >= first) {
        found.push({
          time: seconds(trade.exit_bar), position: long ? "aboveBar" : "belowBar", shape: "square",
          color: color(Number(trade.net) < 0 ? "loss" : "gain"), text: narrow() ? "" : trade.exit_reason,
        });
      }
    }
    return found.sort((one, other) => one.time - other.time);
  }

  function line(price, name, shade, style, width = 1) {
    const title = narrow() ? name.replace(/ ?[a-z]+$/, "") : name;
    const shown = { price: Number(price), color: color(shade), lineWidth: width, lineStyle: style, axisLabelVisible: name !== "", title };
    lines.push(candles.createPriceLine(shown));
  }

  function levels() {
    const { Solid, Dashed, Dotted } = LightweightCharts.LineStyle;
    for (const old of lines) candles.removePriceLine(old);
    lines = [];
    for (const setup of setups) {
      const arrow = setup.side === "long" ? "▲" : "▼";
      line(setup.trigger, `${arrow} trigger`, "info", Solid);
      line(setup.stop, `${arrow} stop`, "loss", Dashed);
      line(setup.target, `${arrow} target`, "gain", Dashed);
      for (const level of setup.ladder.slice(0, 3)) line(level, "", "gain", Dotted);
    }
    for (const trade of trades) {
      if (trade.exit_bar) continue;
      line(trade.entry_price, "entry", "info", Solid, 2);
      line(trade.stop, "stop", "loss", Solid, 2);
      line(trade.target, "target", "gain", Solid, 2);
    }
  }

  function tell(bar) {
    legend.textContent = "";
    if (!bar) return;
    const number = document.createElement("b");
    number.textContent = bar.number === null ? "–" : label(bar);
    const prices = [["O", bar.open], ["H", bar.high], ["L", bar.low], ["C", bar.close]];
    legend.append(number, " ", prices.map(([name, price]) => `${name} ${written(price)}`).join("  "));
    if (bar.forming) legend.append("  forming");
  }

  function draw() {
    levels();
    marks.setMarkers(markers());
    tell(bars.at(-1));
  }

  function take(found) {
    ({ setups, trades } = found);
  }

  async function load() {
    if (loading) return;
    loading = true;
    const answer = await fetch(api, { cache: "no-store" }).catch(() => null);
    loading = false;
    if (!answer?.ok) return;  // The page says what is wrong, and the next change comes here again.
    const begun = bars.length > 0;
    const found = await answer.json();
    bars = found.bars;
    take(found);
    candles.setData(bars.map(candle));
    draw();
    if (!begun) chart.timeScale().scrollToRealTime();
    box.dataset.bars = bars.length;
    box.setAttribute("aria-busy", "false");
  }

  // The bars that may have changed. When one has closed all are asked for anew: candles from REST may have replaced some.
  function news() {
    const found = told();
    const known = bars.findIndex((bar) => bar.opens === found.bars[0]?.opens);
    if (known < 0 || found.bars.at(-1).opens !== bars.at(-1).opens) { load(); return; }
    take(found);
    found.bars.forEach((bar, n) => candles.update(candle(bar), known + n < bars.length - 1));
    bars.splice(known, found.bars.length, ...found.bars);
    draw();
  }

  chart.subscribeCrosshairMove(({ time }) => {
    tell((time !== undefined && bars.find((bar) => seconds(bar.opens) === time)) || bars.at(-1));
  });
  chart.timeScale().subscribeVisibleLogicalRangeChange(() => {
    const legible = chart.timeScale().options().barSpacing >= LEGIBLE;
    if (legible === numbered) return;
    numbered = legible;
    marks.setMarkers(markers());
  });
  box.addEventListener("keydown", (event) => {
    const scale = chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (!range) return;
    const step = { ArrowLeft: -5, ArrowRight: 5 }[event.key];
    const zoom = { "+": 0.8, "-": 1.25 }[event.key];
    if (step) scale.setVisibleLogicalRange({ from: range.from + step, to: range.to + step });
    if (zoom) scale.setVisibleLogicalRange({ from: range.to - (range.to - range.from) * zoom, to: range.to });
    if (step || zoom) event.preventDefault();
  });
  document.getElementById("symbol").addEventListener("change", (event) => event.target.form.requestSubmit());
  document.documentElement.classList.add("scripted");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  document.addEventListener("atlas:refreshed", news);

  dress();
  load();
})();
