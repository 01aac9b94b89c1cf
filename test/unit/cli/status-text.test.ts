import { describe, expect, it } from 'vitest';
import { type GatewayStats, statusText, troublesOf } from '../../../src/cli/status-text.js';

const IN_FORCE = { source: 'a.yaml', epoch: 2, in_force_since: '2026-01-01T00:00:00.000Z' };
const FINE: GatewayStats = { configuration: { ...IN_FORCE, last_reload: null, trial: null } };

function text(stats: GatewayStats): string {
  const shown = { gateway: 'http://g', readiness: 'ready', troubles: troublesOf(stats) };
  return statusText(shown, stats);
}

const A_TARGET = { upstream: 'api', why: 'connectFailure', since: null, until: null };

describe('the status of a gateway', () => {
  it('is a few lines where nothing is wrong, of an older gateway too', () => {
    expect(text(FINE)).toBe(
      [
        'ready: sluice ? at http://g, up 0s',
        'configuration  a.yaml, version 2, in force since 2026-01-01T00:00:00.000Z',
        'requests       0 since the start, 0 errors; 0 in flight',
        'troubles       none\n',
      ].join('\n'),
    );
  });

  it('tells how much there is to do, and what the gateway itself refuses most', () => {
    const stats: GatewayStats = {
      ...FINE,
      ...{ version: '1.0.0', uptime_seconds: 273_900.5, process: { pid: 7 } },
      ...{ total_requests: 8, total_errors: 1, in_flight: 2, connections: { open: 1 } },
      latency: { p50_ms: 1.5, p99_ms: 20 },
      problems: { GW_A: 1, GW_B: 3, GW_C: 1, GW_D: 1, GW_E: 1, GW_F: 0 },
      targets: ['available', 'warming_up', 'half_open'].map((state) => ({
        ...{ ...A_TARGET, target: `t:${state}`, state },
      })),
    };
    expect(text(stats).split('\n')).toEqual([
      'ready: sluice 1.0.0 at http://g, up 3d 4h, pid 7',
      expect.stringMatching(/^configuration/),
      'requests       8 since the start, 1 error (12.5 %); 2 in flight, 1 connection; ' +
        'p50 1.5 ms, p99 20 ms',
      'refusals       GW_B 3, GW_A 1, GW_C 1, GW_D 1, GW_E 1',
      'targets        2 of 3 have requests',
      'troubles       1',
      '  target t:half_open of api: half_open (connectFailure)',
      '',
    ]);
  });

  it('names all that is wrong', () => {
    const threads = [{ deaths: 0 }, { deaths: 2 }] as const;
    const stats: GatewayStats = {
      configuration: {
        ...IN_FORCE,
        last_reload: { at: 'T', outcome: 'refused', reasons: ['one', 'two'] },
        store: { trouble: 'it is away', refused: null },
      },
      targets: [{ ...A_TARGET, target: 't:1', state: 'open', since: 'S', until: 'U' }],
      target_names: [
        { name: 'good', failure: null },
        { name: 'bad', failure: 'ENOTFOUND' },
      ],
      discovery: [{ upstream: 'api', failure: 'no answer' }],
      acceptors: threads.map((one, acceptor) => ({ ...one, acceptor, serving: acceptor === 1 })),
      workers: threads.map((one, lane) => ({ ...one, lane, served: lane === 0 })),
      coordinator: { deaths: 1 },
      event_loops: [{ thread: 'worker-0', dropped_log_lines: 1 }],
      plugins: [{ name: 'p', state: 'out', reason: 'too slow' }],
      store: { state: 'lost', reason: 'closed' },
      spiffe: { agent: 'lost', lack: null },
    };
    expect(troublesOf(stats)).toEqual([
      'the reload of T was refused: one; two',
      'the store of the configuration: it is away',
      'target t:1 of api: open, since S, until U (connectFailure)',
      'the name bad of a target: ENOTFOUND',
      'discovery for upstream api: no answer',
      'acceptor 0 is away: the log says why',
      'acceptor 1 has died 2 times since the start: the log says why',
      'worker 1 is away and has died 2 times since the start: the log says why',
      'the coordinator has died 1 time since the start: the log says why',
      'worker-0 has lost 1 line of the log: is its disk full?',
      'the plugin p was put out: too slow',
      'the store is lost: closed',
      'the SPIFFE agent is lost',
    ]);
  });

  it('names what a store has and the gateway refuses, where no reload says the same', () => {
    const refused = { id: '1-ab', reasons: ['no such upstream', 'and more'] };
    const parts = [
      { team: 'shop', refused: { id: 'cd', reasons: ['its name is taken'] } },
      { team: 'blog', refused: null },
    ];
    const store = { trouble: null, refused, parts };
    const part = 'the part of the team shop in the store is refused: its name is taken';
    expect(troublesOf({ configuration: { ...IN_FORCE, store } })).toEqual([
      'release 1-ab of the store is refused: no such upstream; and more',
      part,
    ]);
    const last_reload = { at: 'T', outcome: 'refused', reasons: refused.reasons };
    expect(troublesOf({ configuration: { ...IN_FORCE, last_reload, store } })).toEqual([
      'the reload of T was refused: no such upstream; and more',
      part,
    ]);
  });

  it('has no file where a program has made the configuration', () => {
    const made = { configuration: { ...IN_FORCE, source: '' } };
    expect(text(made)).toContain('\nconfiguration  of a program, version 2,');
  });

  it('has thirty troubles at most, and counts the others', () => {
    const targets = Array.from({ length: 32 }, (_, at) => ({
      ...{ ...A_TARGET, target: `t:${at}`, state: 'unhealthy' },
    }));
    const lines = text({ ...FINE, targets }).split('\n');
    expect(lines.filter((line) => line.includes('unhealthy'))).toHaveLength(30);
    expect(lines.at(-2)).toBe('  and 2 more: --json has all');
  });
});
