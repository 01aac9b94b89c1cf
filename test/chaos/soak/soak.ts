/**
 * A gateway that does everything by which a change is tried, for as long as one likes: splits,
 * copies that are compared, plugins whose code changes, keys that come and go, costs, stored
 * replies, TLS and HTTP/2, a reload every few seconds, and workers that die. Nothing may fail but
 * what is injected, nothing may grow, and what threads have counted must be what has happened.
 */
import { eventually } from '../../support/eventually.js';
import { CpuWaits } from './cpu-waits.js';
import { explain, type Failure, type InjectedFault, TOO_MANY } from './failures.js';
import {
  grows,
  type Holding,
  Holdings,
  heldByMinute,
  inWords,
  type ProcessLook,
  residentByMinute,
} from './holdings.js';
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
  /** Failures that a fault explains, by kind and fault. */
  readonly excused: Readonly<Record<string, number>>;
  readonly reloads: number;
  readonly faults: number;
  readonly holdings: readonly Holding[];
  /** Resident memory at its lowest in each minute, in MiB. */
  readonly residentMiB: readonly number[];
  /** What V8 has for the heaps of all threads, used or not, in the same way. */
  readonly heldMiB: readonly number[];
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
/** Worker 0 is left alone, so that there is a thread of its kind that lives through everything. */
const FAULTS = ['worker/1/crash', 'worker/1/hang'];
const SERVED_AGAIN = 'lane is served again';
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
  private readonly failures: Failure[] = [];
  private readonly faults: InjectedFault[] = [];
  private readonly waits: CpuWaits;
  private readonly wrongs = new Map<string, string[]>();
  private readonly looks: ProcessLook[] = [];
  private readonly sums: string[] = [];
  private readonly visits: Visits;
  private readonly turns: Promise<void>[] = [];
  private inFlight = 0;
  private turn = 0;
  private version = 0;
  private isFaulty = false;
  private isReloading = false;
  private readonly begunMs = Date.now();
  private reloadedMs = Date.now();

  constructor(
    private readonly form: SoakForm,
    private readonly rig: SoakRig,
  ) {
    const admin = async (method: string, path: string, order?: object): Promise<unknown> =>
      (await rig.admin(method, path, order)).body;
    this.visits = new Visits(rig.clients, admin);
    this.waits = new CpuWaits(rig.pid);
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
    this.waits.stop();
    this.judgeFailures();
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
    const begunMs = Date.now();
    if (this.inFlight >= IN_FLIGHT_MAX) return this.fail('visit', TOO_MANY, begunMs);
    this.inFlight += 1;
    const { kind, told } = this.visits.make(this.turn);
    this.turn += 1;
    try {
      const wrong = await told;
      this.visited[kind] = (this.visited[kind] ?? 0) + 1;
      if (wrong !== '') this.fail(kind, wrong, begunMs);
    } finally {
      this.inFlight -= 1;
    }
  }

  /** One after the other: who asks for another version ends the trial of the one before. */
  private async reload(): Promise<void> {
    if (this.isReloading) return;
    this.isReloading = true;
    this.version += 1;
    const begunMs = Date.now();
    this.reloadedMs = begunMs;
    try {
      const wrong = await this.rig.reload(this.version);
      if (wrong !== '') this.fail('reload', wrong, begunMs);
    } finally {
      this.isReloading = false;
    }
  }

  private async injectFault(): Promise<void> {
    if (this.isFaulty) return;
    const { faults, rig } = this;
    const name = FAULTS[faults.length % FAULTS.length] ?? '';
    const orderedMs = Date.now();
    const at = faults.push({ name, orderedMs, diedMs: Number.POSITIVE_INFINITY }) - 1;
    this.isFaulty = true;
    const served = rig.gateway.find(SERVED_AGAIN).length;
    await rig.admin('POST', `/chaos/${name}`);
    const isServed = (): boolean => rig.gateway.find(SERVED_AGAIN).length > served;
    await eventually(`the lane is served after ${name}`, isServed, SERVED_MS_MAX);
    const died = rig.gateway.find('worker died').at(-1);
    faults[at] = { name, orderedMs, diedMs: Date.parse(String(died?.['time'])) };
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
    const { rig, visits } = this;
    const told = rig.origins.toldTokens;
    const settled = await rig.metric('limit_cost_settled_total');
    // What was under way in a worker that died costs its reserve, and is done once more.
    const lost = LOST_TOKENS * this.faults.length;
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
    const threads = this.rig.lookAtThreads();
    const holdings = [...judge.ofProcess(this.looks), ...judge.ofThreads(threads)];
    const grown = this.form.judgesGrowth ? holdings.filter(grows).map(inWords) : [];
    const { visited: visits, excused, version: reloads, sums } = this;
    const faults = this.faults.length;
    const noted = [...this.wrongs].map(([what, times]) => {
      const told = times.slice(0, TIMES_TOLD).join('; ');
      return `${times.length} × ${what} (at ${told})`;
    });
    const wrongs = [...noted, ...grown.map((words) => `grows: ${words}`)];
    const residentMiB = residentByMinute(this.looks, this.begunMs);
    const heldMiB = heldByMinute(threads, this.begunMs);
    return { visits, excused, reloads, faults, holdings, residentMiB, heldMiB, sums, wrongs };
  }

  private fail(kind: string, what: string, begunMs: number): void {
    const { reloadedMs } = this;
    this.failures.push({ kind, what, begunMs, endedMs: Date.now(), reloadedMs });
  }

  /** When all is known: a death is noticed after what it has brought. */
  private judgeFailures(): void {
    for (const failure of this.failures) {
      const cause = explain(failure, this.faults, this.waits);
      const what = `${failure.kind}: ${failure.what}`;
      if (cause === '') this.note(what, failure.endedMs, failure.reloadedMs);
      else this.excused[`${what} (${cause})`] = (this.excused[`${what} (${cause})`] ?? 0) + 1;
    }
  }

  private note(what: string, atMs = Date.now(), reloadedMs = this.reloadedMs): void {
    const since = (ms: number): string => ((atMs - ms) / 1000).toFixed(1);
    const fault = this.faults.findLast(({ orderedMs }) => orderedMs <= atMs);
    const faulty = fault === undefined ? '' : `, ${since(fault.orderedMs)} s after ${fault.name}`;
    const time = `${since(this.begunMs)} s, ${since(reloadedMs)} s after a reload${faulty}`;
    this.wrongs.set(what, [...(this.wrongs.get(what) ?? []), time]);
  }
}
