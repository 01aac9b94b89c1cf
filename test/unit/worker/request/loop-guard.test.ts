import { describe, expect, it } from 'vitest';
import { HalfSipHash } from '../../../../src/base/half-sip-hash.js';
import { PROBLEMS } from '../../../../src/base/problems.js';
import { RequestFields } from '../../../../src/worker/exchange/request-fields.js';
import { LoopGuard, loopIdOf } from '../../../../src/worker/request/loop-guard.js';

const ID = 'sluice-0123456789abcdef';

function fieldsWith(...values: readonly string[]): RequestFields {
  const parts = values.flatMap((value) => ['cdn-loop', value]);
  return new RequestFields(['GET', '/', '192.0.2.1', '', ...parts]);
}

describe('a guard against loops', () => {
  it('lets a request come as often as it may, and refuses it then', () => {
    const guard = new LoopGuard(ID, 2);
    const first = fieldsWith();
    expect(guard.enter(first)).toBeNull();
    const second = fieldsWith(first.loop);
    expect(guard.enter(second)).toBeNull();
    expect(second.loop).toBe(`${ID}, ${ID}`);
    expect(guard.enter(fieldsWith(second.loop))).toMatchObject({ problem: PROBLEMS.looping });
  });

  it.each([
    [[`${ID}`, `other; a="${ID}"`, `${ID} ;v=1`], true],
    [[`other, ${ID};v=1,${ID}`], true],
    [[`${ID}0, ${ID}0`, `x${ID}`, `x;${ID}`], false],
    [['cloudflare', `a, ${ID}`, ',,;'], false],
  ])('counts elements of %j', (values, isRefused) => {
    const fields = fieldsWith(...values);
    expect(new LoopGuard(ID, 2).enter(fields) !== null).toBe(isRefused);
    expect(fields.loop).toBe([...values, ...(isRefused ? [] : [ID])].join(', '));
  });

  it('leaves the field alone where nothing is counted', () => {
    const fields = fieldsWith(ID, ID);
    expect(new LoopGuard(ID, 0).enter(fields)).toBeNull();
    expect(fields.loop).toBe(`${ID}, ${ID}`);
    const none = fieldsWith();
    new LoopGuard(ID, 0).enter(none);
    expect(none.loop).toBe('');
  });

  it('knows a gateway by its key, and says nothing of it', () => {
    const ids = [1, 2].map((key) => loopIdOf(new HalfSipHash(key, -7)));
    expect(ids[0]).toMatch(/^sluice-[0-9a-f]{16}$/);
    expect(ids[0]).not.toBe(ids[1]);
    expect(loopIdOf(new HalfSipHash(1, -7))).toBe(ids[0]);
  });
});
