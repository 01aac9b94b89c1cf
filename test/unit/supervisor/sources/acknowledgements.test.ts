import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../../src/base/clock.js';
import { waitForNodes } from '../../../../src/supervisor/sources/acknowledgements.js';
import { parseReport } from '../../../../src/supervisor/sources/node-report.js';
import { publishPart } from '../../../../src/supervisor/sources/publishing.js';
import { eventually } from '../../../support/eventually.js';
import { documentOf, FollowerRig, publish } from '../../../support/follower-rig.js';
import { MemoryStore } from '../../../support/memory-store.js';

const LONG_MS = 60_000;

/** Gateways of these names; only the first two have the variable STAGE. */
async function cluster(store: MemoryStore, names: readonly string[]): Promise<FollowerRig[]> {
  await publish(store, 'start');
  const rigs = names.map((node, at) => {
    const environment: Record<string, string> = at < 2 ? { STAGE: 'one' } : {};
    return new FollowerRig(store, null, { node, environment });
  });
  for (const rig of rigs) expect(await rig.boot()).toBe(true);
  await eventually('all have reported', () => {
    return names.every((name) => store.values.has(`nodes/${name}`));
  });
  return rigs;
}

const waitFor = (store: MemoryStore, id: string, nodesMin = 0, timeoutMs = LONG_MS) =>
  waitForNodes(store, { team: '', id, sha256: '' }, { clock: systemClock, nodesMin, timeoutMs });

describe('who publishes', () => {
  it('hears from every gateway, and of each that refuses why', async () => {
    const store = new MemoryStore();
    await cluster(store, ['a', 'b', 'c']);
    const fine = await publish(store, 'two');
    const all = await waitFor(store, fine);
    expect(all.answers.map(({ verdict }) => verdict)).toEqual(['applied', 'applied', 'applied']);
    const id = await publish(store, '', documentOf('${STAGE}'));
    const { answers, ended } = await waitFor(store, id);
    expect(ended).toBe('all');
    expect(answers.map(({ node, verdict }) => `${node} ${verdict}`)).toEqual([
      'a applied',
      'b applied',
      'c refused',
    ]);
    expect(answers[2]?.reasons[0]).toContain('the environment variable STAGE is not set');
  });

  it('hears of parts as well, and of one that is gone', async () => {
    const store = new MemoryStore();
    await cluster(store, ['a', 'b']);
    const text = 'routes: [{ name: red-r, match: { path: /r }, respond: { status: 204 } }]';
    const { id, sha256 } = await publishPart(store, 'red', { text, before: undefined });
    const options = { clock: systemClock, nodesMin: 2, timeoutMs: LONG_MS };
    const there = await waitForNodes(store, { team: 'red', id, sha256 }, options);
    expect(there.answers.map(({ verdict }) => verdict)).toEqual(['applied', 'applied']);
    const gone = await publishPart(store, 'red', {
      text: null,
      before: store.values.get('parts/red'),
    });
    const removed = await waitForNodes(store, { team: 'red', ...gone }, options);
    expect([removed.ended, removed.answers.length]).toEqual(['all', 2]);
  });

  it('does not wait for a gateway that has ended, nor for ever', async () => {
    const store = new MemoryStore();
    const [rig] = await cluster(store, ['a']);
    store.values.set('nodes/silent', {
      text: JSON.stringify({ version: '1', at: 'now', release: null }),
      version: 1,
    });
    const id = await publish(store, 'two');
    const timedOut = await waitFor(store, id, 0, 300);
    expect([timedOut.ended, timedOut.answers.at(-1)]).toEqual([
      'timeout',
      { node: 'silent', verdict: 'pending', reasons: [] },
    ]);
    store.values.delete('nodes/silent');
    expect((await waitFor(store, id)).ended).toBe('all');
    expect((await waitFor(store, id, 2, 300)).ended).toBe('timeout');
    await publish(store, 'three');
    expect((await waitFor(store, id)).ended).toBe('superseded');
    await rig?.follower.stop();
  });
});

describe('what a gateway says of itself', () => {
  it.each([
    ['', null],
    ['[]', null],
    ['{"version":1,"at":"x"}', null],
    ['not json', null],
  ])('%s is no report', (text, report) => {
    expect(parseReport('a', text)).toBe(report);
  });

  it('steers no terminal, and is not endless', () => {
    const report = parseReport(
      'a',
      JSON.stringify({
        ...{ version: '1\u001b[2J', at: 'now', release: { id: 'x\n\u202e', sha256: 5 } },
        refused: { id: 'y', reasons: [...Array(30).fill('z'.repeat(10_000)), 7] },
        parts: { red: 'nonsense' },
      }),
    );
    expect(report).toMatchObject({ version: '1 [2J', release: { id: 'x  ', sha256: '' } });
    expect(report?.refused?.reasons).toHaveLength(11);
    expect(report?.refused?.reasons[0]).toHaveLength(500);
    expect(report?.parts).toEqual({ red: { sha256: '', refused: null } });
  });
});
