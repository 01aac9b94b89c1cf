/**
 * The scripts on a real server do what the model of the store does by which simulations are played,
 * in random histories and under a clock that goes either way; and they use nothing that Redis 6.0 lacks.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BEAT_SCRIPT } from '../../src/store/beat-script.js';
import { TAKE_SCRIPT } from '../../src/store/take-script.js';
import { SimRandom } from '../simulation/seeds.js';
import { describeUnless } from '../support/not-run.js';
import { RedisServer, redisMissing } from '../support/redis-server.js';
import { StoreModel } from '../support/store-model.js';

const ROUNDS = 1500;
const CLOCK = "redis.call('TIME')";
const ENDS = "'PX', text(";
/**
 * The scripts with a clock that the test moves, its two last arguments. Keys do not end by the
 * clock of the server meanwhile.
 */
const withClock = (script: string): string =>
  script.replace(CLOCK, '{ ARGV[#ARGV - 1], ARGV[#ARGV] }').replaceAll(ENDS, `${ENDS}600000 + `);
const START_US = 1_800_000_000_000_000;
/** In µs; an hour either way now and then. */
const STEPS = [0, 7, 900, 2100, 15_000, 15_000, 40_000];
const HOUR_US = 3_600_000_000;
const GATEWAYS = ['aa', 'b-', 'c_'];
/** Commands with all that the scripts pass to them, as Redis 6.0.0 has them. */
const COMMANDS_OF_6_0 = [
  ...['TIME', 'GET', 'SET', 'HMGET', 'HSET', 'PEXPIRE'],
  ...['ZADD', 'ZREMRANGEBYSCORE', 'ZRANGEBYSCORE', 'ZCARD', 'ZCOUNT'],
];
/** What other versions of Lua lack, or servers that only look like Redis. */
const RARE = /\b(table\.(maxn|getn|unpack|foreach)|unpack|loadstring|setfenv|goto)\b|\/\/|cmsgpack/;

describeUnless(redisMissing(), 'the scripts of the store', () => {
  let redis: RedisServer;
  let client: Redis;

  beforeAll(async () => {
    redis = await RedisServer.start();
    client = new Redis({ port: redis.port, host: '127.0.0.1' });
  });

  afterAll(async () => {
    client.disconnect();
    await redis.stop();
  });

  it('take, give back and claim as the model does', async () => {
    const random = new SimRandom(7);
    const model = new StoreModel();
    const kinds = [
      { algorithm: 1, limit: 5, window: 20_000, valid: 1000 },
      { algorithm: 1, limit: 300, window: 40_000, valid: 2000 },
      { algorithm: 2, limit: 9000, window: 30_000, valid: 1500 },
      { algorithm: 3, limit: 40, window: 15_000, valid: 1000 },
      { algorithm: 4, limit: 7, window: 0, valid: 30_000 },
      { algorithm: 5, limit: 9000, window: 90_000, valid: 1500 },
      // The same key.
      { algorithm: 6, limit: 9000, window: 90_000, valid: 1500 },
    ];
    const stamps = kinds.map(() => 0);
    let epoch = 0;
    let given = 0;
    let now = START_US;
    for (let round = 0; round < ROUNDS; round += 1) {
      const picked = kinds.map((_, at) => at).filter(() => random.chance(0.5));
      const names = ['meta', ...picked.map((at) => `key${Math.min(at, 5)}`)];
      const run = random.chance(0.003) ? `run${round}` : random.pick(['run', 'run', '']);
      const values = [
        ...[run, 5000, random.below(2), random.pick(GATEWAYS)],
        ...picked.flatMap((at) => {
          const { algorithm, limit, window, valid } = kinds[at] ?? {};
          const needed = random.below(3);
          const given = algorithm === 6 ? now - random.below(99_000) : (stamps[at] ?? 0);
          const stamp = algorithm === 4 ? round + 1 - random.pick([0, 0, 0, 2]) : given;
          const isOld = algorithm === 6 || random.chance(0.1);
          return [
            ...[algorithm ?? 0, needed, needed + random.below(4), valid ?? 0, random.below(3)],
            ...[random.chance(0.1) ? random.below(4) : 0, limit ?? 0, window ?? 0, 100, 7, 300],
            ...[
              stamp,
              isOld ? random.below(12_000) : epoch,
              random.below(3),
              1 + random.below(round + 1),
            ],
          ];
        }),
      ];
      now += random.chance(0.01) ? random.pick([-HOUR_US, HOUR_US]) : random.pick(STEPS);
      const time = [Math.floor(now / 1e6), now % 1e6];
      const sent = [...names, ...values, ...time];
      const reply = (await client.eval(withClock(TAKE_SCRIPT), names.length, ...sent)) as number[];
      expect(reply, `round ${round}`).toEqual(model.take(names, values, now));
      epoch = reply[1] ?? 0;
      picked.forEach((at, place) => {
        given += reply[3 + place * 7] ?? 0;
        stamps[at] = reply[4 + place * 7] ?? 0;
      });
    }
    expect(given).toBeGreaterThan(100);
  });

  it('know the tellings of 64 gateways, however many have come and gone', async () => {
    const model = new StoreModel();
    const meta = 'tellers-meta';
    const tell = async (at: number, now: number): Promise<void> => {
      const key = [5, 0, 0, 1000, 0, 1, 1e12, 1e9, 100, 7, 1, 0, 0, 0, 1];
      const values = ['run', 5000, 1, `gateway${at}`, ...key];
      const time = [Math.floor(now / 1e6), now % 1e6];
      const names = [meta, 'tellers'];
      const reply = await client.eval(withClock(TAKE_SCRIPT), 2, ...names, ...values, ...time);
      expect(reply, `gateway ${at}`).toEqual(model.take(names, values, now));
    };
    for (let at = 0; at < 200; at += 1) await tell(at, START_US + at * 1000);
    // What is told again is nothing, but from who was forgotten for 64 others.
    for (const at of [199, 136, 135]) await tell(at, START_US + 200_000);
    expect(model.tokensBeyond).toBe(201);
    const state = (await client.get('tellers')) ?? '';
    expect(state.match(/gateway/g)).toHaveLength(64);
  });

  it('keep the state where only some gateways may ask which server it is', async () => {
    const model = new StoreModel();
    const ask = async (run: string, now: number): Promise<number[]> => {
      const time = [Math.floor(now / 1e6), now % 1e6];
      const values = [run, 5000, 1, 'gateway'];
      const reply = await client.eval(withClock(TAKE_SCRIPT), 1, 'runs-meta', ...values, ...time);
      expect(reply).toEqual(model.take(['runs-meta'], values, now));
      return reply as number[];
    };
    const [, epoch] = await ask('', START_US);
    for (const run of ['one', '', 'one', '']) {
      expect(await ask(run, START_US + 1000)).toEqual([0, epoch, START_US + 1000]);
    }
    expect(await ask('other', START_US + 2000)).toEqual([1, START_US + 2000, START_US + 2000]);
    expect(await ask('', START_US + 2001)).toEqual([1, START_US + 2000, START_US + 2001]);
  });

  it('know gateways as the model does', async () => {
    const random = new SimRandom(8);
    const model = new StoreModel();
    const tokens = new Map<string, number>();
    let silent = 0;
    let now = START_US;
    for (let round = 0; round < 600; round += 1) {
      const id = random.pick(GATEWAYS);
      const token = random.chance(0.2) ? 0 : (tokens.get(id) ?? 0);
      const values = [id, 60_000_000, random.pick([300, 3000]), token, random.pick([500, 50_000])];
      now += random.chance(0.02) ? random.pick([-HOUR_US, HOUR_US]) : random.pick(STEPS);
      const time = [Math.floor(now / 1e6), now % 1e6];
      const sent = ['nodes', ...values, ...time];
      const reply = (await client.eval(withClock(BEAT_SCRIPT), 1, ...sent)) as number[];
      expect(reply, `round ${round}`).toEqual(model.beat(values, now));
      tokens.set(id, reply[1] ?? 0);
      silent += reply[2] ?? 0;
    }
    expect(silent).toBeGreaterThan(0);
  });

  it('use nothing that Redis 6.0 lacks', () => {
    for (const script of [TAKE_SCRIPT, BEAT_SCRIPT]) {
      expect(script).toContain(CLOCK);
      const used = [...script.matchAll(/redis\.call\('(\w+)'/g)].map(([, name]) => name);
      expect(used.length).toBeGreaterThan(3);
      expect(used.filter((name) => !COMMANDS_OF_6_0.includes(name ?? ''))).toEqual([]);
      // Options that came later.
      expect(script).not.toMatch(/'(GT|LT|KEEPTTL|EXAT|PXAT|BYSCORE|LIMIT)'/);
      expect(script).not.toMatch(RARE);
      expect(script).not.toMatch(/redis\.(setresp|acl_check_cmd|register_function)/);
    }
  });
});
