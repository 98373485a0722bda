// Words and elements of the page. Runs in the browser, first.
// biome-ignore lint/suspicious/noRedundantUseStrict: a classic script, not a module
"use strict";

globalThis.gyr = (() => {
  // A browser without a locale names one that Intl refuses (en-US@posix), and the chart library would stop there.
  try {
    new Intl.NumberFormat(navigator.language);
  } catch {
    Object.defineProperty(navigator, "language", { value: "en-US" });
  }

  const NONE = "–";
  const MINUS = "−";
  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
  const fixed = (value, digits) =>
    Math.abs(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  /** True where the value shows as something else than zero. */
  const isShown = (value, digits) => Math.abs(value) >= 0.5 * 10 ** -digits;

  const usd = (value, digits = 2) =>
    isNumber(value) ? `${value < 0 && isShown(value, digits) ? MINUS : ""}$${fixed(value, digits)}` : NONE;
  const signedUsd = (value, digits = 2) =>
    isNumber(value) && value > 0 && isShown(value, digits) ? `+${usd(value, digits)}` : usd(value, digits);
  const count = (value) => (isNumber(value) ? value.toLocaleString("en-US") : NONE);
  const percent = (frac, digits = 1) => (isNumber(frac) ? `${fixed(frac * 100, digits)}%` : NONE);
  const micros = (us) => {
    if (!isNumber(us)) return NONE;
    if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
    if (us >= 1000) return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`;
    return `${us.toFixed(us < 10 ? 2 : us < 100 ? 1 : 0)} µs`;
  };
  const ratio = (value, digits = 2) => (isNumber(value) ? fixed(value, digits) : NONE);

  const clockOf = (options) => {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: "America/New_York", hour12: false, ...options });
    return (sec) => (isNumber(sec) ? format.format(new Date(sec * 1000)) : NONE);
  };
  const clock = clockOf({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
  const clockMinute = clockOf({ hour: "2-digit", minute: "2-digit" });
  const held = (sec) => {
    const minutes = Math.round(sec / 60);
    if (!isNumber(sec)) return NONE;
    if (sec < 60) return `${Math.round(sec)} s`;
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
  };

  /** 2019-12-18 -> Wednesday, 18 December 2019; anything else as it is. */
  const longDay = (day) => {
    const date = new Date(`${day}T12:00:00Z`);
    if (!/^\d{4}-\d{2}-\d{2}$/.test(day) || Number.isNaN(date.getTime())) return day;
    return date.toLocaleDateString("en-GB", {
      weekday: "long",
      day: "numeric",
      month: "long",
      year: "numeric",
      timeZone: "UTC",
    });
  };

  /** Class of a result: never the only sign of it, the text has one too. */
  const mood = (value) => (value > 0 ? "good" : value < 0 ? "bad" : "");

  /** Element with text or children; text never becomes markup. */
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  const byId = (id) => document.getElementById(id);
  const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

  return {
    usd,
    signedUsd,
    count,
    percent,
    micros,
    ratio,
    clock,
    clockMinute,
    held,
    longDay,
    mood,
    element,
    byId,
    plural,
    NONE,
  };
})();
