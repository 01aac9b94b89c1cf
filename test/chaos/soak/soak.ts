/**
 * A gateway that does everything by which a change is tried, for as long as one likes: splits,
 * copies that are compared, plugins whose code changes, keys that come and go, costs, stored
 * replies, TLS and HTTP/2, a reload every few seconds, and workers that die. Nothing may fail but
 * what is injected, nothing may grow, and what threads have counted must be what has happened.
 */
import { eventually } from '../../support/eventually.js';
import { grows, type Holding, Holdings, inWords, type ProcessLook } from './holdings.js';
import { SoakRig } from './soak-rig.js';
import { Visits } from './visits.js';

export interface SoakForm {
  readonly seconds: number;
  /** Visits a second. */
  readonly rate: number;
  readonly reloadEveryMs: number;
  readonly faultEveryMs: number;
  readonly acceptors: number;
  /** The Node.js of the gateway; undefined: that of this process. */
  readonly node?: string | undefined;
  /** Whether growth counts: not in a short form. */
  readonly judgesGrowth: boolean;
}

export interface SoakResult {
  readonly visits: Readonly<Record<string, number>>;
  /** Failures beside a fault that was injected, by kind. */
  readonly excused: Readonly<Record<string, number>>;
  readonly reloads: number;
  readonly faults: number;
  readonly holdings: readonly Holding[];
  /** What was counted on both sides. */
  readonly sums: readonly string[];
  /** Empty: all is well. */
  readonly wrongs: readonly string[];
}

const TICK_MS = 10;
const LOOK_MS = 2000;
const IN_FLIGHT_MAX = 200;
/** Part of the time that is not looked at, while heaps grow to their working size. */
const WARM_UP = 0.2;
/** What a machine makes of requests that has no time for them. */
const PRESSED = /^503 GW_(OVERLOADED|COORDINATOR_UNAVAILABLE|NOT_READY)$/;
const TOO_SLOW = /within \d+ s|another configuration was asked for/;
/** Of a hundred visits. Only on a machine that is busy with other things it is as many. */
const PRESSED_PERCENT_MAX = 5;
/** A visit may fail until this long after everybody serves again. */
const EXCUSED_MS = 1500;
/** Worker 0 is left alone, so that there is a thread of its kind that lives through everything. */
const FAULTS = ['worker/1/crash', 'worker/1/hang'];
const SERVED_MS_MAX = 60_000;
/** Ten requests that are lost with a worker, at most, with the reserve of each. */
const LOST_TOKENS = 10 * 100;
/** How many times are told of what goes wrong in the same way. */
const TIMES_TOLD = 5;

export async function runSoak(form: SoakForm): Promise<SoakResult> {
  const rig = await SoakRig.start(form.acceptors, form.node);
  try {
    return await new Soak(form, rig).run();
  } finally {
    await rig.stop();
  }
}

class Soak {
  private readonly visited: Record<string, number> = {};
  private readonly excused: Record<string, number> = {};
  private readonly wrongs = new Map<string, string[]>();
  private readonly looks: ProcessLook[] = [];
  private readonly sums: string[] = [];
  private readonly visits: Visits;
  private readonly turns: Promise<void>[] = [];
  private inFlight = 0;
  private pressed = 0;
  private turn = 0;
  private version = 0;
  private faults = 0;
  private isFaulty = false;
  private excusedUntilMs = 0;
  private readonly begunMs = Date.now();
  private reloadedMs = Date.now();

  constructor(
    private readonly form: SoakForm,
    private readonly rig: SoakRig,
  ) {
    const admin = async (method: string, path: string, order?: object): Promise<unknown> =>
      (await rig.admin(method, path, order)).body;
    this.visits = new Visits(rig.clients, admin);
  }

  async run(): Promise<SoakResult> {
    const { seconds, reloadEveryMs, faultEveryMs } = this.form;
    const endMs = this.begunMs + seconds * 1000;
    this.turns.push(
      this.every(1000 / this.form.rate, endMs, () => this.visit()),
      this.every(LOOK_MS, endMs, async () => void this.looks.push(this.rig.lookAtProcess())),
      this.every(reloadEveryMs, endMs, () => this.reload()),
      this.every(faultEveryMs, endMs, () => this.injectFault()),
    );
    await Promise.all(this.turns);
    await eventually('all visits are over', () => this.inFlight === 0, 30_000);
    await this.nothingIsLeft();
    await this.addUp();
    return this.result(this.begunMs + WARM_UP * seconds * 1000, endMs);
  }

  /** `act` is not waited for: what is due is begun. */
  private async every(ms: number, endMs: number, act: () => Promise<void>): Promise<void> {
    let dueMs = Date.now() + ms;
    const under = new Set<Promise<void>>();
    while (Date.now() < endMs) {
      for (; dueMs <= Date.now(); dueMs += ms) {
        const one: Promise<void> = act()
          .catch((error: unknown) => this.note(String(error)))
          .finally(() => under.delete(one));
        under.add(one);
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(under);
  }

  private async visit(): Promise<void> {
    if (this.inFlight >= IN_FLIGHT_MAX) return this.press('too many visits at once');
    this.inFlight += 1;
    const begunFaults = this.faults;
    const { kind, told } = this.visits.make(this.turn);
    this.turn += 1;
    try {
      const wrong = await told;
      this.visited[kind] = (this.visited[kind] ?? 0) + 1;
      if (wrong === '') return;
      if (PRESSED.test(wrong)) this.press(wrong);
      else if (this.isExcused(begunFaults)) this.excuse(`${kind}: ${wrong}`);
      else this.note(`${kind}: ${wrong}`);
    } finally {
      this.inFlight -= 1;
    }
  }

  /** A fault was injected while the visit was under way, or just before. */
  private isExcused(begunFaults: number): boolean {
    return this.isFaulty || Date.now() < this.excusedUntilMs || this.faults > begunFaults;
  }

  private async reload(): Promise<void> {
    this.version += 1;
    this.reloadedMs = Date.now();
    const wrong = await this.rig.reload(this.version);
    if (wrong === '') return;
    // Workers of the old version may die of a fault in the middle of a trial.
    if (this.isFaulty || Date.now() < this.excusedUntilMs) this.excuse(wrong);
    else if (TOO_SLOW.test(wrong)) this.press(wrong);
    else this.note(wrong);
  }

  private async injectFault(): Promise<void> {
    if (this.isFaulty) return;
    const fault = FAULTS[this.faults % FAULTS.length];
    this.faults += 1;
    this.isFaulty = true;
    const { rig } = this;
    const served = rig.gateway.find('lane is served again').length;
    await rig.admin('POST', `/chaos/${fault}`);
    const isServed = (): boolean => rig.gateway.find('lane is served again').length > served;
    await eventually(`the lane is served after ${fault}`, isServed, SERVED_MS_MAX);
    this.excusedUntilMs = Date.now() + EXCUSED_MS;
    this.isFaulty = false;
  }

  private async nothingIsLeft(): Promise<void> {
    this.rig.clients.close();
    await eventually(
      'nothing is in flight',
      async () => {
        const { in_flight, workers, targets } = await this.rig.stats();
        const held = [...workers, ...targets].some((one) => one.in_flight > 0);
        return in_flight === 0 && !held && workers.every(({ served }) => served);
      },
      30_000,
    ).catch((error: unknown) => this.note(String(error)));
    const { plugins } = await this.rig.stats();
    for (const { name, state } of plugins) if (state === 'out') this.note(`${name} is out`);
    for (const { msg, err } of this.rig.gateway.find('internal error')) {
      this.note(`${msg}: ${JSON.stringify(err)}`);
    }
    const { stderr } = this.rig.gateway;
    if (stderr !== '') this.note(`on standard error: ${stderr.slice(0, 300)}`);
  }

  /** What was counted by one side and by the other. */
  private async addUp(): Promise<void> {
    const { rig, visits, faults } = this;
    const told = rig.origins.toldTokens;
    const settled = await rig.metric('limit_cost_settled_total');
    // What was under way in a worker that died costs its reserve, and is done once more.
    const lost = LOST_TOKENS * faults;
    this.sum('tokens that replies told, and that limits settled', [told, settled], lost);
    const moved = (await rig.stats()).moved_requests;
    const counts = [visits.counted, visits.count] as const;
    this.sum('requests of the route plugins, and what is in its store', counts, moved + lost);
    const mirrored = (this.visited['mirror'] ?? 0) + (this.visited['mirror of a body'] ?? 0);
    const rows = await rig.samples('mirror_requests_total');
    this.sums.push(`${mirrored} requests of the route mirror, copies: ${rows.join(', ')}`);
    const differ = await rig.samples('mirror_differences_total');
    this.sums.push(`copies that differ: ${differ.join(', ')}`);
  }

  private sum(what: string, [one, other]: readonly [number, number], slack: number): void {
    this.sums.push(`${what}: ${one} and ${other}`);
    if (Math.abs(one - other) > slack) this.note(`${what}: ${one} and ${other}`);
  }

  private result(fromMs: number, untilMs: number): SoakResult {
    const judge = new Holdings(fromMs, untilMs);
    const threads = judge.ofThreads(this.rig.lookAtThreads());
    const holdings = [...judge.ofProcess(this.looks), ...threads];
    const grown = this.form.judgesGrowth ? holdings.filter(grows).map(inWords) : [];
    const { visited: visits, excused, version: reloads, faults, sums } = this;
    const noted = [...this.wrongs].map(([what, times]) => {
      const told = times.slice(0, TIMES_TOLD).join('; ');
      return `${times.length} × ${what} (at ${told})`;
    });
    if (this.form.judgesGrowth && this.pressed * 100 > this.turn * PRESSED_PERCENT_MAX) {
      noted.push(`${this.pressed} of ${this.turn} visits were refused or never made`);
    }
    const wrongs = [...noted, ...grown.map((words) => `grows: ${words}`)];
    return { visits, excused, reloads, faults, holdings, sums, wrongs };
  }

  /** The machine has no time: no mistake, unless it is seen often. */
  private press(what: string): void {
    this.pressed += 1;
    this.excuse(`pressed: ${what}`);
  }

  private excuse(what: string): void {
    this.excused[what] = (this.excused[what] ?? 0) + 1;
  }

  private note(what: string): void {
    const since = (ms: number): string => ((Date.now() - ms) / 1000).toFixed(1);
    const time = `${since(this.begunMs)} s, ${since(this.reloadedMs)} s after a reload`;
    this.wrongs.set(what, [...(this.wrongs.get(what) ?? []), time]);
  }
}
