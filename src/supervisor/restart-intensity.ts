/**
 * Limits how often dead threads are started again.
 *
 * Thread: supervisor. A thread that dies at once each time would otherwise keep the machine busy
 * without anybody noticing. Past the limit the process ends, so that its operator or service
 * manager notices.
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
