/**
 * What the scripts of src/store/ do, once more in TypeScript: the store of simulations. A real
 * server is held against it in test/integration/cluster-model.test.ts.
 */

interface KeyState {
  last: number;
  a: number;
  b: number;
  groups: { end: number; units: number }[];
  /** By gateway. */
  told: ReadonlyMap<string, { readonly stamp: number; readonly end: number }>;
  epoch: number;
  /** Of which moment the old debt is. */
  at: number;
  old: number;
  isWhole: boolean;
  saved: number;
}

interface Claim {
  readonly units: number;
  end: number;
  readonly stamp: number;
}

interface Meta {
  run: string;
  epoch: number;
  until: number;
}

interface Take {
  readonly algorithm: number;
  readonly needed: number;
  readonly wanted: number;
  readonly valid: number;
  returned: number;
  readonly declared: number;
  readonly limit: number;
  readonly window: number;
  readonly size: number;
  readonly refill: number;
  readonly token: number;
  readonly stamp: number;
  readonly cost: number;
  readonly toldStamp: number;
  readonly gateway: string;
  readonly epoch: number;
  /** Of a recall. */
  readonly used: number;
}

const HEAD_ARGUMENTS = 4;
const ARGUMENTS_PER_KEY = 15;
/** Gateways of whose last telling a key knows. */
const TELLERS_MAX = 64;

export class StoreModel {
  private readonly keys = new Map<string, KeyState>();
  private readonly claims = new Map<string, Map<string, Claim>>();
  private readonly metas = new Map<string, Meta>();
  private nodes = new Map<string, number>();
  /** Tokens that were counted beyond reserves. */
  tokensBeyond = 0;

  /** All of it is gone. */
  clear(): void {
    this.keys.clear();
    this.claims.clear();
    this.metas.clear();
    this.nodes.clear();
  }

  /** Reserves of requests in flight, and those that nobody gave back. */
  get unitsHeld(): number {
    return [...this.keys.values()].reduce((sum, state) => sum + totalOf(state), 0);
  }

  leave(id: string): void {
    this.nodes.delete(id);
  }

  /** BEAT_SCRIPT. Times are µs. */
  beat(values: readonly (string | number)[], now: number): number[] {
    const [id = '', life, silence, token, tokenLife] = values;
    const [lifeUs, silenceUs, tokenUs] = [Number(life), Number(silence), Number(token)];
    const isHeard = tokenUs > 0 && tokenUs <= now && now - tokenUs <= Number(tokenLife);
    this.nodes.set(String(id), isHeard ? now : now - silenceUs);
    for (const [name, at] of this.nodes) {
      if (at <= now - lifeUs) this.nodes.delete(name);
      else if (at > now) this.nodes.set(name, now - silenceUs);
    }
    const scores = [...this.nodes.values()];
    const alive = scores.filter((at) => at > now - silenceUs && at <= now).length;
    return [scores.length, now, scores.length - alive - (isHeard ? 0 : 1), isHeard ? 1 : 0];
  }

  /** TAKE_SCRIPT. */
  take(names: readonly string[], values: readonly (string | number)[], now: number): number[] {
    const [metaName = '', ...keys] = names;
    const [run, recovery, isFirst, gateway] = values;
    const { epoch, isRecovering } = this.look(metaName, now, {
      run: String(run),
      recovery: Number(recovery),
      isFirst: Number(isFirst) === 1,
    });
    const reply = [isRecovering ? 1 : 0, epoch, now];
    keys.forEach((key, at) => {
      const first = HEAD_ARGUMENTS + at * ARGUMENTS_PER_KEY;
      const numbers = values.slice(first, first + ARGUMENTS_PER_KEY).map(Number);
      const moment = { now, epoch, isRecovering, gateway: String(gateway) };
      if (numbers[0] === 4) reply.push(...this.claim(key, String(gateway), numbers, moment));
      else reply.push(...this.takeOne(key, numbers, moment));
    });
    return reply;
  }

  private look(
    name: string,
    now: number,
    known: { readonly run: string; readonly recovery: number; readonly isFirst: boolean },
  ): { epoch: number; isRecovering: boolean } {
    let meta = this.metas.get(name);
    const isOther = known.run !== '' && meta?.run !== known.run;
    if (meta?.run === '' && isOther) meta.run = known.run;
    else if (meta === undefined || isOther) {
      const isBorn = meta === undefined && known.isFirst;
      const epoch = Math.max(now, (meta?.epoch ?? 0) + 1);
      meta = { run: known.run, epoch, until: isBorn ? 0 : now + known.recovery };
      this.metas.set(name, meta);
    }
    const until = meta.until > now + known.recovery ? now + known.recovery : meta.until;
    return { epoch: meta.epoch, isRecovering: until > now };
  }

  private takeOne(
    key: string,
    numbers: readonly number[],
    { now, epoch, isRecovering, gateway }: Moment & { epoch: number; gateway: string },
  ): number[] {
    const at = (index: number): number => numbers[index] as number;
    const take: Take = {
      algorithm: at(0),
      needed: at(1),
      wanted: at(2),
      valid: at(3),
      returned: at(12) === epoch ? at(4) : 0,
      declared: at(5),
      limit: at(6),
      window: at(7),
      size: at(8),
      refill: at(9),
      token: at(10),
      stamp: at(11),
      cost: at(13),
      toldStamp: at(14),
      gateway,
      epoch,
      used: at(12),
    };
    const state = this.load(key, now);
    if (take.algorithm === 1) return this.sliding(key, state, take, { now, isRecovering });
    if (take.algorithm === 3) return this.fixed(key, state, take, { now, isRecovering });
    return this.bucket(key, state, take, { now, isRecovering });
  }

  private claim(
    key: string,
    gateway: string,
    numbers: readonly number[],
    { now, isRecovering }: Moment,
  ): number[] {
    const at = (index: number): number => numbers[index] as number;
    const [needed, wanted, valid, limit, stamp] = [at(1), at(2), at(3), at(6), at(11)];
    const claims = this.claims.get(key) ?? new Map<string, Claim>();
    if ((claims.get(gateway)?.stamp ?? 0) >= stamp) return [0, stamp, 0, 0, 0, 0, 0];
    this.claims.set(key, claims);
    claims.delete(gateway);
    let others = 0;
    for (const [id, one] of claims) {
      one.end = Math.min(one.end, now + valid);
      if (one.end <= now) claims.delete(id);
      else others += one.units;
    }
    const room = Math.max(0, limit - others);
    const given = isRecovering ? Math.min(wanted, needed) : Math.min(wanted, room);
    const units = Math.max(given, needed);
    claims.set(gateway, { units, end: now + valid, stamp });
    return [units, stamp, Math.max(0, room - units), 0, 0, valid, 0];
  }

  private load(key: string, now: number): KeyState {
    const known = this.keys.get(key);
    if (known === undefined) {
      const empty = { a: 0, b: 0, groups: [], told: new Map() };
      return { ...empty, last: now, epoch: 0, at: 0, old: 0, isWhole: false, saved: 0 };
    }
    const back = Math.max(0, known.last - now);
    return {
      last: now,
      a: known.a > 0 ? known.a - back : 0,
      b: known.b,
      ...{ epoch: known.epoch, at: known.at, old: known.old, isWhole: known.isWhole },
      saved: known.last,
      groups: known.groups.map(({ end, units }) => ({ end: end - back, units })),
      told: new Map(
        [...known.told]
          .map(([id, { stamp, end }]) => [id, { stamp, end: end - back }] as const)
          .filter(([, { end }]) => end > now),
      ),
    };
  }

  private save(key: string, state: KeyState, now: number): void {
    const groups = state.groups.filter(({ units }) => units > 0);
    this.keys.set(key, { ...state, groups, last: now });
  }

  private sliding(key: string, state: KeyState, take: Take, { now, isRecovering }: Moment) {
    state.groups = state.groups.filter(({ end }) => end > now);
    let isDirty = giveBack(state, take);
    const cell = take.limit > 60 ? Math.max(1, Math.ceil(take.window / 62)) : 1;
    const at = Math.ceil((now + take.valid + take.window) / cell) * cell;
    if (take.declared > 0) {
      add(state, at, take.declared);
      isDirty = true;
    }
    const units = isRecovering ? 0 : part(take.limit - totalOf(state), take);
    if (units > 0) add(state, at, units);
    if (units > 0 || isDirty) this.save(key, state, now);
    const total = totalOf(state);
    const first = state.groups[0]?.end ?? now;
    const wait = units === 0 && take.limit - total < 1 ? Math.max(1, first - now) : 0;
    const reset = total > 0 ? Math.max(1, first - now) : 0;
    return [units, at, Math.max(0, take.limit - total), wait, reset, take.valid, 0];
  }

  private bucket(key: string, state: KeyState, take: Take, { now, isRecovering }: Moment) {
    if (state.a === 0) state.a = now;
    const [isCosts, isRecall] = [take.algorithm >= 5, take.algorithm === 6];
    let isDirty = giveBack(state, take);
    const cost = isDirty ? take.cost * take.token : 0;
    for (const { end, units } of state.groups) {
      if (end > now) continue;
      pay(state, take, Math.max(end, state.a));
      state.b += units * take.size;
    }
    state.groups = state.groups.filter(({ end }) => end > now);
    pay(state, take, now);
    if (isCosts) renew(state, take);
    state.b += cost;
    if (take.declared > 0 && isNews(state, take, now)) {
      const [most, size] = isCosts ? [2 * take.limit, take.token] : [take.limit, take.size];
      state.b = Math.min(most, state.b + take.declared * size);
      state.old = Math.min(state.old, state.b);
      this.tokensBeyond += isCosts ? take.declared : 0;
      isDirty = true;
    }
    if (isRecall) {
      recall(state, take, isRecovering);
      isDirty = true;
    }
    let used = state.b + totalOf(state) * take.size;
    const room = Math.floor((take.limit - used) / take.size);
    const [span, parts] = isCosts ? [take.window, 62] : [take.valid, 4];
    const cell = Math.max(1000, Math.ceil(span / parts));
    const at = Math.ceil((now + span) / cell) * cell;
    const given = isRecovering ? 0 : part(room, take);
    const units = isRecall ? take.needed : given;
    if (units > 0) {
      add(state, at, units);
      used += units * take.size;
    }
    state.isWhole = !isRecovering;
    if (units > 0 || isDirty) this.save(key, state, now);
    const whenPaid = (debt: number): number =>
      debt <= state.b
        ? Math.max(1, state.a + Math.ceil(debt / take.refill) * 1000 - now)
        : isCosts
          ? 1_000_000
          : Math.max(1, (state.groups[0]?.end ?? now + 1000) - now);
    const lack = used - (take.limit - take.size);
    const wait = units === 0 && lack > 0 ? whenPaid(lack) : 0;
    const over = modulo(take.limit - used, take.token);
    const reset = used > 0 ? whenPaid(over === 0 ? take.token : take.token - over) : 0;
    const left = Math.max(0, Math.floor((take.limit - used) / take.size));
    return [units, at, left, wait, reset, take.valid, used];
  }

  private fixed(key: string, state: KeyState, take: Take, { now, isRecovering }: Moment) {
    if (state.a === 0 || now >= state.a + take.window) {
      state.a = now;
      state.b = 0;
    }
    let isDirty = false;
    if (take.returned > 0 && take.stamp === state.a) {
      state.b = Math.max(0, state.b - take.returned);
      isDirty = true;
    }
    if (take.declared > 0) {
      state.b = Math.min(take.limit, state.b + take.declared);
      isDirty = true;
    }
    const units = isRecovering ? 0 : part(take.limit - state.b, take);
    state.b += units;
    if (units > 0 || isDirty) this.save(key, state, now);
    const left = state.a + take.window - now;
    const wait = units === 0 && take.limit - state.b < 1 ? Math.max(1, left) : 0;
    const room = Math.max(0, take.limit - state.b);
    return [units, state.a, room, wait, state.b > 0 ? left : 0, Math.min(take.valid, left), 0];
  }
}

interface Moment {
  readonly now: number;
  readonly isRecovering: boolean;
}

function totalOf({ groups }: KeyState): number {
  return groups.reduce((sum, { units }) => sum + units, 0);
}

function part(room: number, { needed, wanted }: Take): number {
  if (room < 1 || wanted < 1) return 0;
  return Math.min(wanted, room, Math.max(needed, Math.floor(room / 2)));
}

function giveBack({ groups }: KeyState, { returned, stamp }: Take): boolean {
  if (returned <= 0) return false;
  const group = groups.find(({ end }) => end === stamp);
  if (group === undefined) return false;
  const units = Math.min(returned, group.units);
  group.units -= units;
  return units > 0;
}

/** What was told of costs before is not counted again. */
function isNews(state: KeyState, { algorithm, gateway, toldStamp, ...take }: Take, now: number) {
  if (algorithm !== 5) return true;
  if ((state.told.get(gateway)?.stamp ?? 0) >= toldStamp) return false;
  const end = now + Math.ceil((3 * take.limit) / take.refill) * 1000 + 60_000_000;
  const others = [...state.told].filter(([id]) => id !== gateway);
  others.sort(([, one], [, other]) => other.end - one.end);
  const told = [...others.slice(0, TELLERS_MAX - 1), [gateway, { stamp: toldStamp, end }]] as const;
  state.told = new Map(told);
  return true;
}

function add({ groups }: KeyState, end: number, units: number): void {
  const known = groups.find((group) => group.end === end);
  if (known === undefined) groups.push({ end, units });
  else known.units += units;
  groups.sort((one, other) => one.end - other.end);
}

function pay(state: KeyState, { refill }: Take, upTo: number): void {
  const ms = Math.floor((upTo - state.a) / 1000);
  if (ms > 0) {
    state.b -= ms * refill;
    state.old = Math.max(0, state.old - ms * refill);
    state.a += ms * 1000;
  }
  if (state.b > 0) return;
  state.b = 0;
  state.old = 0;
  state.a = upTo;
}

/** In another epoch all that is known is old debt, but for what was told while it recovered. */
function renew(state: KeyState, { epoch, size }: Take): void {
  if (state.epoch === epoch) return;
  const held = totalOf(state) * size;
  state.b += held;
  state.old += held;
  if (state.isWhole) Object.assign(state, { at: state.saved, old: state.b });
  state.groups = [];
  state.epoch = epoch;
}

function recall(state: KeyState, take: Take, isRecovering: boolean): void {
  const { stamp, used, needed, size } = take;
  if (stamp > state.at) {
    const old = Math.max(isRecovering ? 0 : state.old, used - totalOf(state) * size);
    state.b += old - state.old;
    Object.assign(state, { at: stamp, old });
  }
  const held = Math.min(state.old, needed * size);
  state.b -= held;
  state.old -= held;
}

/** As Lua has it: never negative. */
function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
