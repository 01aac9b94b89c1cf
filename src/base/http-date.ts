/**
 * Reads the dates of HTTP, in their three forms and in no other.
 *
 * Thread: any (pure). RFC 9110 section 5.6.7. A cache that took more than these would hold replies
 * fresh that their origin has marked as stale (RFC 9111 section 5.3).
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAY = '(?:mon|tue|wed|thu|fri|sat|sun)';
const LONG_DAY = '(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)';
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})';
const IMF = new RegExp(`^${DAY}, (\\d{2}) ([a-z]{3}) (\\d{4}) ${TIME} gmt$`);
const RFC_850 = new RegExp(`^${LONG_DAY}, (\\d{2})-([a-z]{3})-(\\d{2}) ${TIME} gmt$`);
const ASCTIME = new RegExp(`^${DAY} ([a-z]{3}) ([ \\d]\\d) ${TIME} (\\d{4})$`);

const FIFTY_YEARS = 50;

/** Milliseconds since 1970, or NaN when the text is no date of HTTP. */
export function parseHttpDate(text: string, nowUnixMs: number): number {
  const lower = text.toLowerCase();
  const imf = IMF.exec(lower);
  if (imf !== null) {
    const [, day = '', month = '', year = '', ...time] = imf;
    return unixMsOf(Number(year), month, day, time);
  }
  const asctime = ASCTIME.exec(lower);
  if (asctime !== null) {
    const [, month = '', day = '', hour = '', minute = '', second = '', year = ''] = asctime;
    return unixMsOf(Number(year), month, day, [hour, minute, second]);
  }
  const old = RFC_850.exec(lower);
  if (old === null) return Number.NaN;
  const [, day = '', month = '', year = '', ...time] = old;
  return unixMsOf(fullYear(Number(year), nowUnixMs), month, day, time);
}

/** A date that seems to be more than 50 years ahead is of the century before. */
function fullYear(twoDigits: number, nowUnixMs: number): number {
  const now = new Date(nowUnixMs).getUTCFullYear();
  const year = now - (now % 100) + twoDigits;
  return year > now + FIFTY_YEARS ? year - 100 : year;
}

function unixMsOf(year: number, month: string, day: string, time: readonly string[]): number {
  const monthIndex = MONTHS.indexOf(month);
  const [hour = 99, minute = 99, second = 99] = time.map(Number);
  const dayOfMonth = Number(day);
  const isSound = monthIndex !== -1 && hour < 24 && minute < 60 && second < 61;
  if (!isSound || dayOfMonth < 1) return Number.NaN;
  const unixMs = Date.UTC(year, monthIndex, dayOfMonth, hour, minute, second);
  // 31 February would be a day in March.
  const isDay = new Date(Date.UTC(year, monthIndex, dayOfMonth)).getUTCDate() === dayOfMonth;
  return isDay ? unixMs : Number.NaN;
}
