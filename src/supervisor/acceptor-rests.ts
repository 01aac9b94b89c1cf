/**
 * Decides when an acceptor that has died is started again, where there are several.
 *
 * Thread: supervisor. Owns how often each has died. One that dies again and again must not end the
 * others, and must not keep the machine busy: its place rests, for longer and longer. When all of
 * them die again and again the process is to end, so that its operator or service manager notices.
 */

/** More deaths than this in PERIOD_MS, and the place rests. */
const DEATHS_MAX = 5;
const PERIOD_MS = 60_000;
/** A thread that has run for so long was sound. */
const SOUND_MS = 60_000;
const REST_MS_MIN = 1000;
const REST_MS_MAX = 60_000;

/** All acceptors die again and again. */
export const NEVER = -1;

interface Place {
  deathsMs: number[];
  /** The last rest; 0: the place has not rested since a thread was sound. */
  restMs: number;
  lastStartMs: number;
}

export class AcceptorRests {
  private readonly places: readonly Place[];

  constructor(acceptors: number) {
    this.places = Array.from({ length: acceptors }, () => ({
      deathsMs: [],
      restMs: 0,
      lastStartMs: 0,
    }));
  }

  /** An acceptor has died. Returns after how many milliseconds it starts again, or NEVER. */
  onDeath(acceptor: number, nowMs: number): number {
    const place = this.places[acceptor];
    if (place === undefined) return NEVER;
    if (nowMs - place.lastStartMs >= SOUND_MS) place.restMs = 0;
    const restMs = place.restMs === 0 ? firstRest(place, nowMs) : place.restMs * 2;
    place.restMs = Math.min(REST_MS_MAX, restMs);
    place.lastStartMs = nowMs + place.restMs;
    if (place.restMs > 0 && this.places.every((one) => isUnsound(one, nowMs))) return NEVER;
    return place.restMs;
  }
}

function firstRest(place: Place, nowMs: number): number {
  place.deathsMs = place.deathsMs.filter((deathMs) => nowMs - deathMs < PERIOD_MS);
  place.deathsMs.push(nowMs);
  if (place.deathsMs.length <= DEATHS_MAX) return 0;
  place.deathsMs = [];
  return REST_MS_MIN;
}

/** It rests, or has not run for long since. */
function isUnsound({ restMs, lastStartMs }: Place, nowMs: number): boolean {
  return restMs > 0 && nowMs - lastStartMs < SOUND_MS;
}
