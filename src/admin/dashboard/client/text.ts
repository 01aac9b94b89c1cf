/**
 * Numbers and times as text.
 *
 * Thread: browser.
 */

/** Three digits and a letter: 1234 is `1.23k`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e9) return `${(value / 1e9).toPrecision(3)}G`;
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (size >= 10_000) return `${(value / 1e3).toPrecision(3)}k`;
  if (size >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : 2);
}

export function bytes(value: number): string {
  if (value >= 2 ** 30) return `${(value / 2 ** 30).toPrecision(3)} GiB`;
  if (value >= 2 ** 20) return `${(value / 2 ** 20).toPrecision(3)} MiB`;
  return value >= 1024 ? `${(value / 1024).toFixed(0)} KiB` : `${value} B`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 2 : 1)} %`;
}

export function milliseconds(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${short(value)} ms`;
}

/** `3 d 4 h`, `5 m 6 s`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  const [d, h, m, s] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} m`;
  return m > 0 ? `${m} m ${s} s` : `${s} s`;
}

/** The time of day of an ISO 8601 time, in the browser's time zone. */
export function timeOfDay(iso: string | null): string {
  return iso === null ? '' : new Date(iso).toLocaleTimeString();
}
