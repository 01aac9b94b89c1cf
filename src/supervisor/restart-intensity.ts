/**
 * Bounds how often what died is started again.
 *
 * Thread: supervisor. Something that dies at once each time would otherwise keep the machine busy
 * and its users in the dark; past the bound the process ends, and whoever runs it hears of it.
 */

const DEATHS_MAX = 10;
const PERIOD_MS = 60_000;

export class RestartIntensity {
  private deaths: number[] = [];

  /** Counts a death; false when there were more than 10 in a minute. */
  mayRestart(nowMs: number): boolean {
    this.deaths = this.deaths.filter((deathMs) => nowMs - deathMs < PERIOD_MS);
    this.deaths.push(nowMs);
    return this.deaths.length <= DEATHS_MAX;
  }
}
